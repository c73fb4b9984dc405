package io.sparsefill.job.search;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparsefill.job.eval.task.Haystack;
import io.sparsefill.job.eval.task.Sample;
import io.sparsefill.job.eval.task.Samples;
import io.sparsefill.job.eval.task.Task;
import io.sparsefill.job.eval.task.Wording;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Calibration documents made from seeds: prompts of evaluation tasks, context and question without
 * the answer, because that is where a pre-fill ends. MInference's own search reads one such sample
 * of InfiniteBench's key-value retrieval (experiments/README.md).
 *
 * @param tasks what is asked
 * @param lengths in tokens of the model
 * @param samples of each task and length
 * @param seed another one, other samples
 * @param wording how prompts are worded
 * @param texts files that things are hidden in, for tasks that need them
 */
public record CalibrationFile(
    List<Task> tasks,
    List<Integer> lengths,
    int samples,
    long seed,
    Wording wording,
    List<Path> texts) {
  /** Checks the numbers. */
  public CalibrationFile {
    if (samples < 1) {
      throw new UsageException(
          "Cannot make calibration samples with --samples "
              + samples
              + ": accepted is a number of at least 1");
    }
    if (tasks.contains(Task.PPL)) {
      throw new UsageException(
          "Cannot make calibration samples of ppl: it asks nothing; give the texts themselves as --calibration");
    }
  }

  /**
   * Writes a JSONL file of {@code doc_id} and {@code text}.
   *
   * @param model folder with the tokenizer that counts the tokens
   * @return how many documents it holds
   * @throws UsageException if the file exists, or a sample cannot be made
   */
  public int write(Path model, BosPolicy bos, Path file) throws IOException {
    if (Files.exists(file)) {
      throw new UsageException(
          "Cannot write calibration samples to %s: it exists; remove it, or choose another --output"
              .formatted(file));
    }
    if (file.getParent() != null) {
      Files.createDirectories(file.getParent());
    }
    Path unfinished = file.resolveSibling(file.getFileName() + ".unfinished");
    try {
      int count = writeLines(model, bos, unfinished);
      Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
      return count;
    } catch (IllegalArgumentException | UncheckedIOException e) {
      throw new UsageException(e.getMessage(), e);
    } finally {
      Files.deleteIfExists(unfinished);
    }
  }

  /** One sample at a time, because all of them together may be large. */
  private int writeLines(Path model, BosPolicy bos, Path file) throws IOException {
    ObjectMapper json = new ObjectMapper();
    int count = 0;
    try (TextTokenizer tokenizer = TextTokenizer.open(model, bos);
        Writer lines = Files.newBufferedWriter(file)) {
      Samples maker = new Samples(wording, haystack(), text -> tokenizer.encode(text).length);
      for (int length : lengths) {
        for (Task task : tasks) {
          for (int i = 0; i < samples; i++) {
            Sample sample = maker.sample(task, length, OptionalDouble.empty(), seed + i);
            lines.write(
                json.writeValueAsString(
                    json.createObjectNode()
                        .put("doc_id", sample.id())
                        .put("text", sample.context() + sample.questions().get(0).text())));
            lines.write('\n');
            count++;
          }
        }
      }
    }
    return count;
  }

  private Haystack haystack() {
    List<Haystack.Text> read = new ArrayList<>();
    for (Path text : texts) {
      try {
        read.add(new Haystack.Text(text.getFileName().toString(), Files.readString(text)));
      } catch (CharacterCodingException e) {
        throw new UsageException("Cannot read text " + text + ": it is not UTF-8", e);
      } catch (IOException e) {
        throw new UsageException("Cannot read text " + text + ": " + e, e);
      }
    }
    return read.isEmpty() ? null : new Haystack(read);
  }
}
