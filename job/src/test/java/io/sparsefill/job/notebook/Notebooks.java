package io.sparsefill.job.notebook;

import java.nio.file.Path;
import org.apache.spark.sql.SparkSession;

/** What this package's tests share: the bundled model, and the session that a notebook has. */
final class Notebooks {
  static final Path ROOT = Path.of(System.getProperty("sparsefill.root"));

  /** The bundled model, which every checkout has. */
  static final Path MODEL = ROOT.resolve("conf/models/needle-2m");

  private Notebooks() {}

  /** Two slots; Kryo, which cannot handle records, as many clusters have it. */
  static SparkSession spark() {
    return SparkSession.builder()
        .master("local[2]")
        .appName("sparsefill-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .getOrCreate();
  }
}
