package io.sparsefill.job.search;

import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.search.HeadScore;
import io.sparsefill.udf.search.PatternChoice;
import io.sparsefill.udf.search.Trial;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.LocalOutputFile;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.MessageTypeParser;

/**
 * The scores of a search as a Parquet file on the driver's machine: a row for each candidate at
 * each level on each head of each sample.
 */
final class ScoresFile {
  private static final MessageType SCHEMA =
      MessageTypeParser.parseMessageType(
          """
          message scores {
            required binary sample (STRING);
            required int32 length;
            required int32 tokens;
            required int32 layer;
            required int32 head;
            required binary candidate (STRING);
            required double level;
            required binary pattern (STRING);
            required int32 first_size;
            required int32 second_size;
            required int64 tiles;
            required int64 causal_tiles;
            required double density;
            required double recall;
            required double output_error;
            required double last_output_error;
            required double output_share;
            required double last_output_share;
            required boolean chosen;
          }
          """);

  private ScoresFile() {}

  /**
   * Writes all samples.
   *
   * @param scores those of each sample
   */
  static void write(
      Path file,
      List<Calibration.Sample> samples,
      List<List<HeadScore>> scores,
      List<Trial> trials,
      PatternChoice choice)
      throws IOException {
    Path unfinished = file.resolveSibling(file.getFileName() + ".unfinished");
    Files.deleteIfExists(unfinished);
    try (ParquetWriter<Group> writer =
        ExampleParquetWriter.builder(new LocalOutputFile(unfinished))
            .withType(SCHEMA)
            .withCompressionCodec(CompressionCodecName.ZSTD)
            .build()) {
      for (int i = 0; i < samples.size(); i++) {
        for (HeadScore score : scores.get(i)) {
          writer.write(row(samples.get(i), score, trials, choice));
        }
      }
    }
    Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
  }

  private static Group row(
      Calibration.Sample sample, HeadScore score, List<Trial> trials, PatternChoice choice) {
    Trial trial = trials.get(score.trial());
    PatternTable.Entry entry = trial.candidate().entry(score.size(), score.error());
    Trial chosen = choice.layer(score.layer()).get(score.head()).trial();
    return new SimpleGroup(SCHEMA)
        .append("sample", sample.docId())
        .append("length", sample.length())
        .append("tokens", sample.tokens().length)
        .append("layer", score.layer())
        .append("head", score.head())
        .append("candidate", trial.candidate().name())
        .append("level", trial.density())
        .append("pattern", entry.pattern())
        .append("first_size", entry.first())
        .append("second_size", entry.second())
        .append("tiles", score.tiles())
        .append("causal_tiles", score.causalTiles())
        .append("density", (double) score.tiles() / score.causalTiles())
        .append("recall", score.recall())
        .append("output_error", score.error())
        .append("last_output_error", score.lastError())
        .append("output_share", score.share())
        .append("last_output_share", score.lastShare())
        .append("chosen", chosen.equals(trial));
  }
}
