package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nvidia.spark.RapidsUDF;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Which classes a session gets, and the set-ups that are refused. */
class ColumnsTest {
  private static final ClassLoader WITH_RAPIDS = ColumnsTest.class.getClassLoader();
  private static final ClassLoader WITHOUT = ClassLoader.getPlatformClassLoader();

  private static SparkConf plugins(String names) {
    return new SparkConf(false).set("spark.plugins", names);
  }

  @Test
  void columnsGoWithThePluginNotWithTheJarAlone() {
    assertThat(Columns.of(plugins("com.nvidia.spark.SQLPlugin"), WITH_RAPIDS))
        .isEqualTo(Columns.ON_GPU);
    assertThat(Columns.of(plugins("a.B, com.nvidia.spark.SQLPlugin"), WITH_RAPIDS))
        .isEqualTo(Columns.ON_GPU);
    assertThat(Columns.of(new SparkConf(false), WITH_RAPIDS)).isEqualTo(Columns.NONE);
    assertThat(Columns.of(new SparkConf(false), WITHOUT)).isEqualTo(Columns.NONE);
  }

  @Test
  void thePluginWhereTheFunctionsCannotSeeItIsRefused() {
    assertThatThrownBy(() -> Columns.of(plugins("com.nvidia.spark.SQLPlugin"), WITHOUT))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("does not see com.nvidia.spark.RapidsUDF; give both jars");
  }

  @Test
  void aSessionOfSparkConnectIsRefusedWithTheWayOut() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> SparsefillFunctions.checkClassic(SparkSession.class))
        .withMessageContaining("a Spark Connect client cannot")
        .withMessageContaining("spark.sql.extensions=" + SparsefillExtensions.class.getName());
    SparsefillFunctions.checkClassic(org.apache.spark.sql.classic.SparkSession.class);
  }

  /** What a cluster does with them; executors open the model by themselves. */
  @ParameterizedTest
  @EnumSource
  void functionsTravelToExecutors(SqlFunction function) throws Exception {
    for (Columns columns : Columns.values()) {
      UDF1<String, ?> udf = function.udf(columns);
      assertThat(udf instanceof RapidsUDF).isEqualTo(columns == Columns.ON_GPU);
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
        out.writeObject(udf);
      }
      try (ObjectInputStream in =
          new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
        TextFunction<?> read = (TextFunction<?>) in.readObject();
        assertThat(read).hasSameClassAs(udf);
        assertThat(read.name()).isEqualTo(function.sqlName());
      }
    }
  }
}
