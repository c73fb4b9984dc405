package io.sparsefill.job;

import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.Partitioner;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import scala.Tuple2;

/**
 * Tokenised documents laid out by a plan: each bin is one partition of its own. All waves share one
 * shuffle, which the first wave causes; the others read their part of it. An RDD partitioner does
 * it, so adaptive query execution, which joins partitions of few bytes, has no say.
 */
public final class PackedDocuments {
  private final List<PlannedWave> waves;
  private final JavaRDD<byte[]> bins;

  private PackedDocuments(List<PlannedWave> waves, JavaRDD<byte[]> bins) {
    this.waves = waves;
    this.bins = bins;
  }

  /**
   * Lays documents out.
   *
   * @param stored serialised {@link TokenizedDocument}s; what no wave names is left out
   */
  static PackedDocuments of(JavaRDD<byte[]> stored, List<PlannedWave> waves) {
    // A slot is a partition and a rank in it; as one number, slots sort by both.
    Map<String, Long> slots = new HashMap<>();
    int partition = 0;
    for (PlannedWave wave : waves) {
      for (Bin bin : wave.bins()) {
        for (int rank = 0; rank < bin.documents().size(); rank++) {
          DocumentSummary document = bin.documents().get(rank);
          if (slots.putIfAbsent(document.source(), slot(partition, rank)) != null) {
            throw new IllegalArgumentException(
                "Cannot pack document '%s': %s is planned twice"
                    .formatted(document.docId(), document.source()));
          }
        }
        partition++;
      }
    }
    JavaSparkContext spark = JavaSparkContext.fromSparkContext(stored.context());
    Broadcast<Map<String, Long>> planned = spark.broadcast(slots);
    JavaRDD<byte[]> bins =
        stored
            .flatMapToPair(
                row -> {
                  Long slot = planned.value().get(TokenizedCorpus.document(row).source());
                  return slot == null
                      ? List.<Tuple2<Long, byte[]>>of().iterator()
                      : List.of(new Tuple2<>(slot, row)).iterator();
                })
            .repartitionAndSortWithinPartitions(new ByBin(Math.max(1, partition)))
            .values();
    return new PackedDocuments(List.copyOf(waves), bins);
  }

  /**
   * The documents of a wave: partition p holds those of its bin p, in the bin's order.
   *
   * <p>A task fails if its bin does not hold exactly what was planned; that happens only when the
   * input changed and Spark had to read it again.
   *
   * @param wave its index in the plan
   */
  public JavaRDD<TokenizedDocument> wave(int wave) {
    int from = waves.subList(0, wave).stream().mapToInt(w -> w.bins().size()).sum();
    int to = from + waves.get(wave).bins().size();
    int[] sizes = waves.get(wave).bins().stream().mapToInt(b -> b.documents().size()).toArray();
    return SourceOrder.range(bins, from, to)
        .mapPartitionsWithIndex((bin, rows) -> new Complete(rows, bin, sizes[bin]), true);
  }

  private static long slot(int partition, int rank) {
    return (long) partition << Integer.SIZE | rank;
  }

  /** The documents of a bin, counted. */
  private static final class Complete implements Iterator<TokenizedDocument> {
    private final Iterator<byte[]> rows;
    private final int bin;
    private final int planned;
    private int found;

    Complete(Iterator<byte[]> rows, int bin, int planned) {
      this.rows = rows;
      this.bin = bin;
      this.planned = planned;
    }

    @Override
    public boolean hasNext() {
      boolean more = rows.hasNext();
      if (more ? found == planned : found < planned) {
        throw new IllegalStateException(
            ("Cannot pre-fill bin %d: %d documents were planned and %s found; the input "
                    + "has changed during the run: start it again")
                .formatted(bin, planned, more ? "more are" : found + " are"));
      }
      return more;
    }

    @Override
    public TokenizedDocument next() {
      TokenizedDocument document = TokenizedCorpus.document(rows.next());
      found++;
      return document;
    }
  }

  /** Takes the partition from a slot. */
  private static final class ByBin extends Partitioner {
    private static final long serialVersionUID = 1L;

    private final int partitions;

    ByBin(int partitions) {
      this.partitions = partitions;
    }

    @Override
    public int numPartitions() {
      return partitions;
    }

    @Override
    public int getPartition(Object slot) {
      return (int) ((Long) slot >>> Integer.SIZE);
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof ByBin that && that.partitions == partitions;
    }

    @Override
    public int hashCode() {
      return partitions;
    }
  }
}
