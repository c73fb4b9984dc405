package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.output.Inspection.HeadRequest;
import io.sparsefill.job.output.Inspection.Tensor;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.KvNumbers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The oracles are the synthetic documents and, for the formats, bit patterns of IEEE 754. */
class InspectionTest {
  @TempDir Path temp;

  private String write() throws Exception {
    Path out = temp.resolve("out");
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      TaskOutput others =
          TaskOutput.ofDocuments(
              List.of(
                  Outputs.row(folder, "later ok", 0, DocumentStatus.FAILED),
                  Outputs.row(folder, "bad", 0, DocumentStatus.FAILED),
                  Outputs.row(folder, "long", 99, DocumentStatus.SKIPPED)));
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 20), 3), others));
    }
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("later ok", 9))));
    }
    return out.toString();
  }

  @Test
  void theReportCountsWhatWasWritten() throws Exception {
    InspectionReport report = Inspection.report(Outputs.CONF, write());
    assertThat(report.documents()).isEqualTo(Map.of("ok", 2L, "skipped", 1L, "failed", 1L));
    assertThat(report.tokens()).isEqualTo(29);
    assertThat(report.sizes().get(Table.KV).rows()).isEqualTo(2 * (3 + 2));
    assertThat(report.sizes().get(Table.DOCUMENTS).files()).isEqualTo(2);
    assertThat(report.density().count()).isEqualTo(2);
    assertThat(report.density().mean()).isEqualTo(0.5);
    assertThat(report.prefillSeconds()).isEqualTo(0.5);
    KvCost cost = report.kvCost(KvCost.Prices.USUAL).orElseThrow();
    assertThat(cost.bytes()).isEqualTo(report.sizes().get(Table.KV).bytes()).isPositive();
    assertThat(cost.tokens()).isEqualTo(29);
    assertThat(cost.bf16PerToken()).as("2 layers, 2 heads of 4, 2 bytes").isEqualTo(64);
    assertThat(cost.prefillSeconds()).isEqualTo(0.5);
    assertThat(report.errors()).containsExactly("'bad': because");
    assertThat(report.writer()).isNull();
    assertThat(report.text().lines())
        .contains("documents    {failed=1, ok=2, skipped=1}")
        .contains("density      mean 0.5000, from 0.5000 to 0.5000")
        .contains("error: 'bad': because")
        .anyMatch(line -> line.startsWith("kv "))
        .anyMatch(line -> line.startsWith("r2 "));
  }

  @Test
  void aHeadIsShownExactly() throws Exception {
    String out = write();
    List<String> lines =
        Inspection.head(Outputs.CONF, out, new HeadRequest("a", 1, 1, Tensor.VALUE, 6, 4));
    assertThat(lines).hasSize(4);
    for (int i = 0; i < 4; i++) {
      int token = 6 + i;
      KvBlock block = Outputs.block("a", 20, 1, token / Outputs.BLOCK);
      ByteBuffer values = ByteBuffer.wrap(block.value()).order(ByteOrder.LITTLE_ENDIAN);
      StringBuilder expected = new StringBuilder(token + ":");
      for (int d = 0; d < Outputs.HEAD_DIM; d++) {
        int element = ((token % Outputs.BLOCK) * Outputs.KV_HEADS + 1) * Outputs.HEAD_DIM + d;
        float value = Float.intBitsToFloat(values.getShort(2 * element) << 16);
        expected.append(' ').append(value);
      }
      assertThat(lines.get(i)).isEqualTo(expected.toString());
    }
    assertThat(Inspection.head(Outputs.CONF, out, new HeadRequest("a", 0, 0, Tensor.KEY, 18, 9)))
        .hasSize(2);
    assertThat(
            Inspection.head(Outputs.CONF, out, new HeadRequest("later ok", 0, 0, Tensor.KEY, 0, 9)))
        .hasSize(9);
  }

  @Test
  void whatThereIsNotIsNamed() throws Exception {
    String out = write();
    assertThatThrownBy(
            () -> Inspection.head(Outputs.CONF, out, new HeadRequest("a", 2, 0, Tensor.KEY, 0, 1)))
        .hasMessage("Cannot show layer 2: there are 2, counted from 0");
    assertThatThrownBy(
            () -> Inspection.head(Outputs.CONF, out, new HeadRequest("a", 0, 0, Tensor.KEY, 20, 1)))
        .hasMessageContaining("token 20");
    assertThatThrownBy(
            () ->
                Inspection.head(Outputs.CONF, out, new HeadRequest("bad", 0, 0, Tensor.KEY, 0, 1)))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("no finished document");
    assertThatThrownBy(() -> Inspection.report(Outputs.CONF, temp.resolve("none").toString()))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("there is no output in it");
  }

  /** Bit patterns from the standard: 1, -2, the largest, the smallest subnormal, infinity. */
  @Test
  void storedNumbersAreDecodedExactly() {
    byte[] fp16 = {0, 0x3c, 0, (byte) 0xc0, (byte) 0xff, 0x7b, 1, 0, 0, 0x7c};
    float[] expected = {1, -2, 65504, 0x1p-24f, Float.POSITIVE_INFINITY};
    for (int i = 0; i < expected.length; i++) {
      assertThat(KvNumbers.of(KvDtype.FP16, fp16, null).at(i)).isEqualTo(expected[i]);
    }
    byte[] bf16 = {(byte) 0x80, 0x3f, 0x49, 0x40};
    assertThat(KvNumbers.of(KvDtype.BF16, bf16, null).at(0)).isEqualTo(1);
    assertThat(KvNumbers.of(KvDtype.BF16, bf16, null).at(1)).isEqualTo(3.140625f);
    byte[] fp32 = {0, 0, 0, 0, (byte) 0xdb, 0x0f, 0x49, 0x40};
    assertThat(KvNumbers.of(KvDtype.FP32, fp32, null).at(1)).isEqualTo((float) Math.PI);
    // Two heads of two codes: 1.5 and -448, then 2^-9 and 1, with scales 2 and 0.5.
    byte[] fp8 = {0x3c, (byte) 0xfe, 1, 0x38};
    KvNumbers codes = KvNumbers.of(KvDtype.FP8, fp8, new byte[] {0, 0, 0, 0x40, 0, 0, 0, 0x3f});
    assertThat(new float[] {codes.at(0), codes.at(1), codes.at(2), codes.at(3)})
        .containsExactly(3, -896, 0x1p-10f, 0.5f);
  }
}
