package io.sparsefill.job.eval;

import io.sparsefill.job.JavaBytes;
import java.io.Serializable;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.spark.SimpleFutureAction;
import org.apache.spark.api.java.JavaRDD;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.jdk.javaapi.FutureConverters;
import scala.runtime.AbstractFunction0;
import scala.runtime.AbstractFunction1;
import scala.runtime.AbstractFunction2;
import scala.runtime.BoxedUnit;

/**
 * One Spark job over units, one task each, whose results can be taken as they come: what is there
 * is stored while the job goes on.
 */
final class UnitJob implements AutoCloseable {
  private final BlockingQueue<byte[]> results = new LinkedBlockingQueue<>();
  private final SimpleFutureAction<BoxedUnit> action;
  private final CompletableFuture<BoxedUnit> end;

  /**
   * Submits the job.
   *
   * @param units one in each partition
   */
  UnitJob(JavaRDD<byte[]> units) {
    this.action =
        units
            .rdd()
            .context()
            .submitJob(
                units.rdd(),
                new Only(),
                CollectionConverters.asScala(
                        IntStream.range(0, units.getNumPartitions())
                            .<Object>mapToObj(i -> i)
                            .toList())
                    .toSeq(),
                new AbstractFunction2<Object, byte[], BoxedUnit>() {
                  @Override
                  public BoxedUnit apply(Object partition, byte[] result) {
                    results.add(result);
                    return BoxedUnit.UNIT;
                  }
                },
                new AbstractFunction0<BoxedUnit>() {
                  @Override
                  public BoxedUnit apply() {
                    return BoxedUnit.UNIT;
                  }
                });
    this.end = FutureConverters.asJava(action).toCompletableFuture();
  }

  /** The one element of a partition. */
  private static final class Only extends AbstractFunction1<Iterator<byte[]>, byte[]>
      implements Serializable {
    private static final long serialVersionUID = 1L;

    @Override
    public byte[] apply(Iterator<byte[]> elements) {
      return elements.next();
    }
  }

  /** The next result, or null if none comes in some milliseconds. */
  UnitResult poll(long milliseconds) throws InterruptedException {
    byte[] bytes = results.poll(milliseconds, TimeUnit.MILLISECONDS);
    return bytes == null ? null : JavaBytes.read(bytes, UnitResult.class);
  }

  /** Whether all results have come, or the job has failed. */
  boolean hasEnded() {
    return end.isDone();
  }

  /**
   * Throws what ended the job, if it failed.
   *
   * @throws IllegalStateException saying why
   */
  void check() {
    try {
      end.join();
    } catch (CompletionException e) {
      throw new IllegalStateException(
          "Cannot evaluate: " + e.getCause().getMessage(), e.getCause());
    }
  }

  /** Ends the job's tasks if it has not ended. */
  @Override
  public void close() {
    if (!hasEnded()) {
      action.cancel();
    }
  }
}
