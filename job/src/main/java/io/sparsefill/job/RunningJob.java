package io.sparsefill.job;

import java.io.Serializable;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.spark.FutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.rdd.RDD$;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.jdk.javaapi.FutureConverters;

/**
 * A Spark job under way, whose elements are collected; each is an object serialised by {@link
 * JavaBytes}. Several can be waited for at a time, which Spark's own Java interface does not give.
 *
 * @param <T> of the objects
 */
public final class RunningJob<T extends Serializable> {
  private final FutureAction<Seq<byte[]>> action;
  private final CompletableFuture<List<T>> result;

  private RunningJob(FutureAction<Seq<byte[]>> action, CompletableFuture<List<T>> result) {
    this.action = action;
    this.result = result;
  }

  /** Submits a job, with the local properties that this thread has now. */
  public static <T extends Serializable> RunningJob<T> collect(
      JavaRDD<byte[]> data, Class<T> type) {
    FutureAction<Seq<byte[]>> action =
        RDD$.MODULE$.rddToAsyncRDDActions(data.rdd(), data.classTag()).collectAsync();
    CompletableFuture<List<T>> result =
        FutureConverters.asJava(action)
            .toCompletableFuture()
            .thenApply(
                elements ->
                    CollectionConverters.asJava(elements).stream()
                        .map(bytes -> JavaBytes.read(bytes, type))
                        .toList());
    return new RunningJob<>(action, result);
  }

  /** The objects in the order of their partitions, or why the job failed. */
  public CompletableFuture<List<T>> result() {
    return result;
  }

  /** Ends the job's tasks if it has not ended. */
  public void cancel() {
    action.cancel();
  }
}
