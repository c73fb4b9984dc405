package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.rapids.cudf.ColumnVector;
import ai.rapids.cudf.HostColumnVector;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.SharedMaterial;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Whole columns on a GPU, as the plugin gives them. Oracle: the same functions row by row, on the
 * same device.
 */
class GpuColumnsTest {
  private static final String[] TEXTS = {
    "The door was open.", null, "", "One two three four five six seven.", "\u00e9t\u00e9", "x"
  };

  @BeforeAll
  static void needsDevice() {
    SharedMaterial.orSkip(
        CudaBackend.unavailable().isEmpty(),
        "Skipped, no CUDA device: " + CudaBackend.unavailable().orElse(""));
    SqlSession session =
        SqlSession.of("model", SharedMaterial.model("needle-2m").toString(), "backend", "cuda");
    SparkSession.setActiveSession(session.spark());
  }

  @AfterAll
  static void close() {
    SparkSession.clearActiveSession();
    SqlSession.closeAll();
  }

  @Test
  void nllOfAColumnAndOfItsHalvesAreThoseOfTheRows() {
    GpuPrefillNll function = new GpuPrefillNll();
    List<List<Object>> expected = new ArrayList<>();
    for (String text : TEXTS) {
      Row row = function.call(text);
      expected.add(row == null ? null : Arrays.asList(row.get(0), row.get(1), row.get(2)));
    }
    int half = TEXTS.length / 2;
    List<List<Object>> halves = new ArrayList<>(nll(function, Arrays.copyOf(TEXTS, half)));
    halves.addAll(nll(function, Arrays.copyOfRange(TEXTS, half, TEXTS.length)));
    assertThat(nll(function, TEXTS)).isEqualTo(expected);
    assertThat(halves).isEqualTo(expected);
  }

  private static List<List<Object>> nll(GpuPrefillNll function, String... texts) {
    List<List<Object>> structs = new ArrayList<>();
    try (ColumnVector column = ColumnVector.fromStrings(texts);
        ColumnVector result = function.evaluateColumnar(texts.length, column);
        HostColumnVector host = result.copyToHost()) {
      assertThat(host.getRowCount()).isEqualTo(texts.length);
      for (int i = 0; i < texts.length; i++) {
        structs.add(
            host.isNull(i)
                ? null
                : Arrays.asList(
                    host.getStruct(i).getField(0),
                    host.getStruct(i).getField(1),
                    host.getStruct(i).getField(2)));
      }
    }
    return structs;
  }

  @Test
  void tokenCountsOfAColumnAreThoseOfTheRows() {
    GpuTokenCount function = new GpuTokenCount();
    try (ColumnVector column = ColumnVector.fromStrings(TEXTS);
        ColumnVector result = function.evaluateColumnar(TEXTS.length, column);
        HostColumnVector host = result.copyToHost()) {
      for (int i = 0; i < TEXTS.length; i++) {
        Integer count = host.isNull(i) ? null : (Integer) host.getInt(i);
        assertThat(count).as(TEXTS[i]).isEqualTo(function.call(TEXTS[i]));
      }
    }
  }

  @Test
  void anEmptyBatchGivesAnEmptyColumn() {
    try (ColumnVector column = ColumnVector.fromStrings();
        ColumnVector result = new GpuPrefillLogits().evaluateColumnar(0, column)) {
      assertThat(result.getRowCount()).isZero();
    }
  }

  @Test
  void aColumnOfNumbersIsRefused() {
    try (ColumnVector numbers = ColumnVector.fromInts(1, 2)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> new GpuPrefillHidden().evaluateColumnar(2, numbers))
          .withMessageContaining("prefill_hidden")
          .withMessageContaining("it takes one column of strings");
    }
  }
}
