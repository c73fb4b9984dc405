package io.sparsefill.job;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.ToLongFunction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.PartitionPruningRDD;
import scala.Function1;

/**
 * Source order: the order of files by name, and inside a file of its bytes or rows. The partitions
 * of everything that {@link Documents} reads follow it.
 */
final class SourceOrder {
  /**
   * So that what one task takes, for which engines wait at first, is a small part of the reading.
   */
  static final int TASKS_PER_CORE = 16;

  private SourceOrder() {}

  /**
   * Spreads pieces of input over tasks: one partition holds consecutive pieces of about equal
   * bytes. Elements are serialised lists, see {@link JavaBytes}.
   *
   * @param pieces in source order
   * @param bytes the weight of a piece
   */
  static <T extends Serializable> JavaRDD<byte[]> spread(
      JavaSparkContext spark, List<T> pieces, ToLongFunction<T> bytes) {
    // A piece costs something even when it is empty.
    long total = pieces.stream().mapToLong(p -> bytes.applyAsLong(p) + 1).sum();
    long share = share(spark, total);
    List<byte[]> groups = new ArrayList<>();
    ArrayList<T> group = new ArrayList<>();
    long weight = 0;
    for (T piece : pieces) {
      group.add(piece);
      weight += bytes.applyAsLong(piece) + 1;
      if (weight >= share) {
        groups.add(JavaBytes.of(group));
        group = new ArrayList<>();
        weight = 0;
      }
    }
    if (!group.isEmpty()) {
      groups.add(JavaBytes.of(group));
    }
    return spark.parallelize(groups, Math.max(1, groups.size()));
  }

  /** The weight of what one task should read, of all input's. */
  static long share(JavaSparkContext spark, long total) {
    return Math.max(1, total / ((long) TASKS_PER_CORE * spark.defaultParallelism()));
  }

  /** The pieces of one element that {@link #spread} made. */
  static <T extends Serializable> Iterator<T> pieces(byte[] group) {
    @SuppressWarnings("unchecked") // spread made it of Ts
    ArrayList<T> pieces = JavaBytes.read(group, ArrayList.class);
    return pieces.iterator();
  }

  /**
   * The first {@code limit} elements, in as many partitions as needed. Reads from the beginning
   * until they are found, as Spark's {@code take} does, but keeps only their number.
   */
  static <T> JavaRDD<T> first(JavaRDD<T> all, int limit) {
    int partitions = all.getNumPartitions();
    List<Integer> counts = new ArrayList<>();
    long found = 0;
    int step = 1;
    while (found < limit && counts.size() < partitions) {
      int from = counts.size();
      int to = Math.min(partitions, from + step);
      List<Integer> more =
          range(all, from, to)
              .mapPartitions(rows -> List.of(count(rows, limit)).iterator())
              .collect();
      counts.addAll(more);
      found += more.stream().mapToLong(Integer::longValue).sum();
      step *= 4;
    }
    int[] quotas = new int[counts.size()];
    int left = limit;
    int used = 0;
    for (int i = 0; i < quotas.length && left > 0; i++) {
      quotas[i] = Math.min(left, counts.get(i));
      left -= quotas[i];
      used = i + 1;
    }
    return range(all, 0, used)
        .mapPartitionsWithIndex((i, rows) -> new First<>(rows, quotas[i]), true);
  }

  /** Partitions {@code from} (inclusive) to {@code to} (exclusive), numbered from 0 again. */
  static <T> JavaRDD<T> range(JavaRDD<T> all, int from, int to) {
    // Spark ships it with the RDD.
    Function1<Object, Object> inside =
        (Function1<Object, Object> & Serializable) i -> (Integer) i >= from && (Integer) i < to;
    return new JavaRDD<>(PartitionPruningRDD.create(all.rdd(), inside), all.classTag());
  }

  private static int count(Iterator<?> rows, int atMost) {
    int count = 0;
    while (count < atMost && rows.hasNext()) {
      rows.next();
      count++;
    }
    return count;
  }

  /** The first elements of an iterator, which is not touched beyond them. */
  private static final class First<T> implements Iterator<T> {
    private final Iterator<T> rows;
    private int left;

    First(Iterator<T> rows, int left) {
      this.rows = rows;
      this.left = left;
    }

    @Override
    public boolean hasNext() {
      return left > 0 && rows.hasNext();
    }

    @Override
    public T next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      left--;
      return rows.next();
    }
  }
}
