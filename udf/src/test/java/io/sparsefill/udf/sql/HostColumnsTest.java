package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;

import ai.rapids.cudf.HostColumnVector;
import ai.rapids.cudf.HostColumnVector.StructData;
import io.sparsefill.udf.SharedMaterial;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/**
 * Results as cudf's columns, before they go to the GPU, which host memory alone suffices for.
 * Oracle: cudf's own readers.
 */
class HostColumnsTest {
  /** From a column of texts to results, without the copies from and to the GPU. Oracle: rows. */
  @Test
  void resultsOfAColumnAreThoseOfItsRows() {
    String[] texts = {"The door was open.", null, "\u00e9t\u00e9 \ud83d\ude42", "x"};
    SqlSession session =
        SqlSession.of("model", SharedMaterial.model("needle-2m").toString(), "backend", "cpu");
    SparkSession.setActiveSession(session.spark());
    GpuPrefillNll function = new GpuPrefillNll();
    try (HostColumnVector column = HostColumnVector.fromStrings(texts)) {
      List<PrefillNll.Result> results = TextColumn.compute(function, texts.length, column);
      assertThat(results).hasSize(texts.length);
      for (int i = 0; i < texts.length; i++) {
        assertThat(results.get(i)).as(texts[i]).isEqualTo(function.of(texts[i]));
      }
      assertThat(results.get(1)).isNull();
    } finally {
      SparkSession.clearActiveSession();
      SqlSession.closeAll();
    }
  }

  @Test
  void tokenCounts() {
    try (HostColumnVector column = GpuTokenCount.column(Arrays.asList(3, null, 0))) {
      assertThat(column.getRowCount()).isEqualTo(3);
      assertThat(column.getInt(0)).isEqualTo(3);
      assertThat(column.isNull(1)).isTrue();
      assertThat(column.getInt(2)).isZero();
    }
  }

  @Test
  void nllStructsWithNullFieldsAndNullRows() {
    try (HostColumnVector column =
        GpuPrefillNll.column(
            Arrays.asList(
                new PrefillNll.Result(9, 1.5, 4.25), null, new PrefillNll.Result(1, null, null)))) {
      assertThat(column.getRowCount()).isEqualTo(3);
      assertThat(fields(column, 0, 3)).containsExactly(9, 1.5, 4.25);
      assertThat(column.isNull(1)).isTrue();
      assertThat(fields(column, 2, 3)).containsExactly(1, null, null);
    }
  }

  @Test
  void logitsStructsWithListsOfStructs() {
    PrefillLogits.Result two =
        new PrefillLogits.Result(
            7,
            List.of(
                new PrefillLogits.Token(5, " the", -0.25),
                new PrefillLogits.Token(65, "\u00e9", -2.5)));
    try (HostColumnVector column =
        GpuPrefillLogits.column(Arrays.asList(null, two, new PrefillLogits.Result(0, null), two))) {
      assertThat(column.getRowCount()).isEqualTo(4);
      assertThat(column.isNull(0)).isTrue();
      for (int row : new int[] {1, 3}) {
        List<Object> fields = fields(column, row, 2);
        assertThat(fields.get(0)).isEqualTo(7);
        List<?> top = (List<?>) fields.get(1);
        assertThat(top).hasSize(2);
        assertThat(entry(top.get(0))).containsExactly(5, " the", -0.25);
        assertThat(entry(top.get(1))).containsExactly(65, "\u00e9", -2.5);
      }
      assertThat(fields(column, 2, 2)).containsExactly(0, null);
    }
  }

  @Test
  void hiddenStates() {
    try (HostColumnVector column =
        GpuPrefillHidden.column(Arrays.asList(List.of(1f, -2f), null, List.of(0.5f, 3f)))) {
      assertThat(column.getRowCount()).isEqualTo(3);
      assertThat(column.getList(0)).isEqualTo(List.of(1f, -2f));
      assertThat(column.isNull(1)).isTrue();
      assertThat(column.getList(2)).isEqualTo(List.of(0.5f, 3f));
    }
  }

  private static List<Object> fields(HostColumnVector column, int row, int count) {
    return list(column.getStruct(row), count);
  }

  private static List<Object> entry(Object struct) {
    return list((StructData) struct, 3);
  }

  private static List<Object> list(StructData struct, int count) {
    Object[] values = new Object[count];
    for (int i = 0; i < count; i++) {
      values[i] = struct.getField(i);
    }
    return Arrays.asList(values);
  }
}
