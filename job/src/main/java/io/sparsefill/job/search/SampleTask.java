package io.sparsefill.job.search;

import io.sparsefill.job.JavaBytes;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.ExecutorEngines;
import io.sparsefill.udf.search.HeadScore;
import io.sparsefill.udf.search.SampleSearch;
import io.sparsefill.udf.search.Sizes;
import io.sparsefill.udf.search.Trial;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.function.Function;

/** One sample through the model of its executor: serialised sample in, serialised scores out. */
final class SampleTask implements Function<byte[], byte[]> {
  private static final long serialVersionUID = 1L;

  private final EngineOptions engine;
  private final ArrayList<Trial> trials;
  private final Sizes sizes;

  SampleTask(EngineOptions engine, List<Trial> trials, Sizes sizes) {
    this.engine = engine;
    this.trials = new ArrayList<>(trials);
    this.sizes = sizes;
  }

  @Override
  public byte[] call(byte[] stored) throws Exception {
    Calibration.Sample sample = JavaBytes.read(stored, Calibration.Sample.class);
    try (EngineLease lease = ExecutorEngines.ofThisJvm().lease(engine)) {
      SampleSearch search = new SampleSearch(trials, sizes);
      lease.observe(sample.tokens(), search);
      return JavaBytes.of(new ArrayList<>(search.scores()));
    }
  }

  /** What {@link #call} returned. */
  @SuppressWarnings("unchecked") // of a list that call has made
  static List<HeadScore> scores(byte[] stored) {
    return (List<HeadScore>) JavaBytes.read(stored, ArrayList.class);
  }
}
