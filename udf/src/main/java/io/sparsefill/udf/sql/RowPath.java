package io.sparsefill.udf.sql;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A pre-fill that a task computes row by row although the session has the RAPIDS Accelerator: it is
 * refused where a GPU is required, and said once per query otherwise. {@link PlanCheck} sees the
 * same earlier and knows more, where it is there. Literals and local data are computed by the
 * driver while it plans, and are nobody's slow path.
 */
final class RowPath {
  private static final Logger LOG = LoggerFactory.getLogger(RowPath.class);
  private static final int REMEMBERED = 256;

  /** Queries that were warned of, the newest. */
  private static final Set<String> WARNED =
      Collections.synchronizedSet(
          Collections.newSetFromMap(
              new LinkedHashMap<>() {
                private static final long serialVersionUID = 1;

                @Override
                protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
                  return size() > REMEMBERED;
                }
              }));

  private RowPath() {}

  /**
   * Checks a call in a task.
   *
   * @throws IllegalStateException if a GPU is required and the accelerator left the call to Spark
   */
  static void check(TextFunction<?> function) {
    TaskContext task = TaskContext.get();
    if (task == null || !function.prefills() || RapidsMode.current() != RapidsMode.COMPUTES) {
      return;
    }
    String found =
        new RowCall(function, function.name(), "this query's plan", List.of()).describe();
    if (SqlSettings.requiresGpu()) {
      throw new IllegalStateException(
          "Cannot compute %s by rows with %s=true: %s"
              .formatted(function.name(), SqlSettings.REQUIRE_GPU, found));
    }
    String query = task.getLocalProperty("spark.sql.execution.id") + " " + function.name();
    if (!isPlanChecked() && WARNED.add(query)) {
      LOG.warn("{} ({}=true refuses such a query)", found, SqlSettings.REQUIRE_GPU);
    }
  }

  private static boolean isPlanChecked() {
    return SparkEnv.get()
        .conf()
        .get("spark.sql.extensions", "")
        .contains(SparsefillExtensions.class.getName());
  }
}
