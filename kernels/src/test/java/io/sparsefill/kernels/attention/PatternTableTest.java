package io.sparsefill.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.PatternTable.Entry;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** MInference's pattern files: read, written, and refused. */
class PatternTableTest {
  /** Two layers of two heads in MInference's form. */
  private static final String SAMPLE =
      """
      [{"0": ["vertical_and_slash", 1000, 6096, 336],  "1": ["vertical_and_slash", 30, 800, 26473]},
       {"0": ["vertical_and_slash", 3500, 100, 1585962], "1": ["stream_llm", 100, 800, 0.9431]}]
      """;

  @Test
  void theSampleIsRead() {
    PatternTable table = PatternTable.parse(SAMPLE, 2, 2);
    assertThat(table.layers()).isEqualTo(2);
    assertThat(table.layer(0))
        .containsExactly(
            new Entry("vertical_and_slash", 1000, 6096, 336),
            new Entry("vertical_and_slash", 30, 800, 26473));
    assertThat(table.layer(1))
        .containsExactly(
            new Entry("vertical_and_slash", 3500, 100, 1585962),
            new Entry("stream_llm", 100, 800, 0.9431));
    assertThat(table.layer(0).get(1).toPattern()).isEqualTo(new HeadPattern.VerticalSlash(30, 800));
    assertThat(table.layer(1).get(1).toPattern()).isEqualTo(new HeadPattern.AShape(100, 800));
  }

  @Test
  void whatIsWrittenIsReadAgain() {
    PatternTable table = PatternTable.parse(SAMPLE, 2, 2);
    String written = table.toJson();
    assertThat(written)
        .isEqualTo(
            """
            [{"0":["vertical_and_slash",1000,6096,336],"1":["vertical_and_slash",30,800,26473]},
             {"0":["vertical_and_slash",3500,100,1585962],"1":["stream_llm",100,800,0.9431]}]
            """);
    PatternTable again = PatternTable.parse(written, 2, 2);
    for (int l = 0; l < 2; l++) {
      assertThat(again.layer(l)).isEqualTo(table.layer(l));
    }
    assertThat(again.toJson()).isEqualTo(written);
  }

  @Test
  void headsThatAreLeftOutGetTheDefault() {
    PatternTable table = PatternTable.parse("[{\"2\": [\"block_sparse\", 8, 1, 0.5]}, {}]", 2, 4);
    assertThat(table.layer(0))
        .containsExactly(
            PatternTable.DEFAULT,
            PatternTable.DEFAULT,
            new Entry("block_sparse", 8, 1, 0.5),
            PatternTable.DEFAULT);
    assertThat(table.layer(1)).containsOnly(PatternTable.DEFAULT).hasSize(4);
    assertThat(PatternTable.DEFAULT.toPattern())
        .isEqualTo(new HeadPattern.VerticalSlash(1000, 6096));
    assertThat(PatternTable.uniform(PatternTable.DEFAULT, 2, 4).layer(1)).isEqualTo(table.layer(1));
  }

  @Test
  void aFileOfAModelWithFewerHeadsIsRefused() {
    assertThatThrownBy(() -> PatternTable.parse(SAMPLE, 2, 4))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "Cannot use the pattern file: its layers have heads 0 to 1, but the model has heads 0 to 3");
  }

  @Test
  void blockSparseTakes100TilesAsMInferenceDoesUnlessTheSecondSizeIsZero() {
    PatternTable table = PatternTable.parse("[{\"0\": [\"block_sparse\", 0, 7]}]", 1, 1);
    assertThat(table.layer(0)).isEqualTo(List.of(new Entry("block_sparse", 0, 7, 0)));
    assertThat(table.layer(0).get(0).toPattern()).isEqualTo(new HeadPattern.BlockSparse(100));
    assertThat(new Entry("block_sparse", 17, 0, 0).toPattern())
        .isEqualTo(new HeadPattern.BlockSparse(17));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\'',
      value = {
        "nonsense | it is not JSON",
        "'[{}, {}] trailing' | it is not JSON",
        "'[{\"0\": 1, \"0\": 2}, {}]' | it is not JSON: Duplicate field '0'",
        "{} | it must be a list of 2 layers, as the model has, but is no list",
        "[{}] | it must be a list of 2 layers, as the model has, but is a list of 1",
        "'[{}, []]' | layer 1 is [], not an object of heads",
        "'[null, {}]' | layer 0 is null, not an object of heads",
        "'[{\"2\": [\"stream_llm\",1,2,3]}, {}]' | layer 0 names head '2', but the model has heads 0 to 1",
        "'[{}, {\"x\": 1}]' | layer 1 names head 'x', but the model has heads 0 to 1",
        "'[{}, {\"01\": [\"stream_llm\",1,2,3]}]' | layer 1 names head '01', but the model has",
        "'[{}, {\"-1\": [\"stream_llm\",1,2,3]}]' | layer 1 names head '-1', but the model has",
        "'[{\"0\": 7}, {}]' | layer 0 head 0 is 7, not [pattern, size, size, score]",
        "'[{\"0\": null}, {}]' | layer 0 head 0 is null, not [pattern, size, size, score]",
        "'[{\"0\": [\"stream_llm\",1]}, {}]' | layer 0 head 0 is [\"stream_llm\",1], not [pattern",
        "'[{\"0\": [1,1,2,3]}, {}]' | layer 0 head 0 is [1,1,2,3], not [pattern",
        "'[{\"0\": [\"stream_llm\",\"1\",2,3]}, {}]' | layer 0 head 0 is",
        "'[{\"0\": [\"stream_llm\",1.5,2,3]}, {}]' | layer 0 head 0 is",
        "'[{\"0\": [\"stream_llm\",1,99999999999,3]}, {}]' | layer 0 head 0 is",
        "'[{\"0\": [\"stream_llm\",1,2,\"x\"]}, {}]' | layer 0 head 0 is",
        "'[{}, {\"1\": [\"dense\",1,2,3]}]' | layer 1 head 1: Unknown pattern 'dense': accepted are vertical_and_slash, stream_llm, block_sparse",
        "'[{}, {\"1\": [\"stream_llm\",-1,2,3]}]' | layer 1 head 1: A-shape -1:2",
        "'[{}, {\"1\": [\"vertical_and_slash\",0,2,3]}]' | layer 1 head 1: vertical-slash 0:2",
      })
  void badFilesAreRefusedWithLayerAndHead(String json, String reason) {
    assertThatThrownBy(() -> PatternTable.parse(json, 2, 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Cannot ")
        .hasMessageContaining("the pattern file: ")
        .hasMessageContaining(reason);
  }
}
