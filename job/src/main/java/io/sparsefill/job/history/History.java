package io.sparsefill.job.history;

import io.sparsefill.job.output.Inspection;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.RunRecord;
import io.sparsefill.job.output.RunSums;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;

/**
 * All runs over an output folder, from its manifest alone.
 *
 * @param output the folder
 * @param pricePerHour of an engine: a GPU with its share of the machine, or a task slot of the CPU
 * @param runs oldest first
 * @param earlier sums of runs before those, which the manifest does not keep apart any more; null
 *     when there are none
 */
public record History(String output, double pricePerHour, List<PastRun> runs, RunSums earlier) {
  /** Copies the list. */
  public History {
    runs = List.copyOf(runs);
  }

  /**
   * Reads a folder's.
   *
   * @throws io.sparsefill.job.output.OutputRefused when the folder holds no output
   */
  public static History read(Configuration conf, String output, double pricePerHour)
      throws IOException {
    Manifest manifest = Inspection.manifest(conf, output);
    Optional<String> writer = Inspection.writer(conf, output);
    List<PastRun> runs = new ArrayList<>();
    for (Manifest.Run run : manifest.runs()) {
      RunRecord sums = run.sums();
      boolean running = run.record() == null && writer.filter(run.runId()::equals).isPresent();
      double engineSeconds = run.engineSeconds();
      runs.add(
          new PastRun(
              run.runId(),
              run.command(),
              run.started(),
              running ? PastRun.RUNNING : sums.outcome(),
              sums,
              engineSeconds,
              engineSeconds > 0 ? run.throughput().idle() : Double.NaN));
    }
    return new History(output, pricePerHour, runs, manifest.earlier());
  }

  /** The sums over all runs, earlier ones included. */
  public RunSums totals() {
    RunSums totals = earlier == null ? RunSums.NONE : earlier;
    for (PastRun run : runs) {
      totals = totals.plus(run.started(), run.sums(), run.engineSeconds());
    }
    return totals;
  }

  /** Failed documents by kind, over the runs that are kept apart. */
  public Map<String, Long> errors() {
    Map<String, Long> errors = new TreeMap<>();
    for (PastRun run : runs) {
      run.sums().errors().forEach((kind, count) -> errors.merge(kind, count, Long::sum));
    }
    return errors;
  }

  /** What engines of so many seconds cost. */
  public double cost(double engineSeconds) {
    return engineSeconds / 3600 * pricePerHour;
  }
}
