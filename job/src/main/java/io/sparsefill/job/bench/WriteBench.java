package io.sparsefill.job.bench;

import io.sparsefill.job.output.KvCompression;
import io.sparsefill.job.output.StoredFile;
import io.sparsefill.job.output.TableWriters;
import io.sparsefill.job.output.WriterOptions;
import io.sparsefill.kernels.E4m3;
import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.bench.Arguments;
import io.sparsefill.kernels.bench.UsageException;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.SideThread;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.apache.hadoop.conf.Configuration;

/**
 * How fast one task writes keys and values: blocks that are in memory go through {@link
 * TableWriters}, one thread for each lane, and, in turns with that, as many bytes as the files have
 * are written to plain files of the same folder by as many threads. Both end with fsync of every
 * file, so that neither counts what lies in the system's cache. Bytes are those of keys and values.
 */
public final class WriteBench {
  private static final String USAGE =
      """
      Usage: WriteBench --folder DIR [--threads 1,2] [--mb 2048] [--tokens 131072] [--block-tokens 256]
                        [--kv-heads 8] [--head-dim 128] [--kv-dtype bf16] [--kv-compression uncompressed,zstd]
                        [--rounds 3]
        --folder  where to write; a folder in it is made, and removed at the end
        --mb      10^6 bytes of keys and values in a round
        --tokens  of a document: with --block-tokens, how many rows a layer has
      """;
  private static final Set<String> OPTIONS =
      Set.of(
          "--folder",
          "--threads",
          "--mb",
          "--tokens",
          "--block-tokens",
          "--kv-heads",
          "--head-dim",
          "--kv-dtype",
          "--kv-compression",
          "--rounds");

  /** Different blocks, so that the processor's caches do not hold them. */
  private static final long SAMPLE_BYTES = 256L << 20;

  private static final int RAW_BUFFER = 4 << 20;

  private final Path folder;
  private final List<KvBlock> blocks;
  private final long rows;

  private WriteBench(Path folder, List<KvBlock> blocks, long rows) {
    this.folder = folder;
    this.blocks = blocks;
    this.rows = rows;
  }

  /** Runs it; exit code 2 for wrong arguments. */
  public static void main(String[] args) throws Exception {
    System.exit(run(args));
  }

  /** The program without its end: returns the exit code. */
  static int run(String... args) throws Exception {
    return Arguments.run(USAGE, OPTIONS, Set.of(), args, WriteBench::bench);
  }

  private static void bench(Arguments arguments) throws Exception {
    int blockTokens = arguments.size("--block-tokens", 256);
    int blocksOfLayer = (arguments.size("--tokens", 131_072) + blockTokens - 1) / blockTokens;
    KvDtype dtype = accepted(KvDtype::of, arguments.text("--kv-dtype", "bf16"));
    int heads = arguments.size("--kv-heads", 8);
    int headDim = arguments.size("--head-dim", 128);
    long cell = blockTokens * dtype.tokenBytes(heads, headDim);
    if (cell > SAMPLE_BYTES) {
      throw new UsageException("a cell of %,d bytes: at most %,d".formatted(cell, SAMPLE_BYTES));
    }
    long rows = Math.max(1, arguments.size("--mb", 2048) * 1_000_000L / (2 * cell));
    int[] threads = arguments.sizes("--threads", "1,2");
    List<KvCompression> compressions = new ArrayList<>();
    for (String label : arguments.list("--kv-compression", "uncompressed,zstd")) {
      compressions.add(accepted(KvCompression::of, label));
    }
    int rounds = arguments.size("--rounds", 3);
    Path folder = Files.createTempDirectory(Path.of(arguments.text("--folder")), "write-bench-");
    try {
      Sample sample = new Sample(dtype, blockTokens, heads, headDim, blocksOfLayer);
      List<KvBlock> blocks = sample.blocks(Math.min(rows, SAMPLE_BYTES / (2 * cell)));
      WriteBench bench = new WriteBench(folder, blocks, rows);
      System.out.printf(
          Locale.ROOT,
          "%,d rows of 2 x %,d bytes, %s; GB/s and CPU seconds per GB, of keys and values in Parquet and of"
              + " the same files' bytes by themselves%n"
              + "compression   threads  parquet   CPU    raw   CPU  parquet/raw   bytes of files%n",
          rows,
          cell,
          dtype.label());
      for (int round = 1; round <= rounds; round++) {
        for (KvCompression compression : compressions) {
          for (int count : threads) {
            bench.round(compression, count);
          }
        }
      }
    } finally {
      remove(folder);
    }
  }

  private static <T> T accepted(Function<String, T> reader, String label) {
    try {
      return reader.apply(label);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage());
    }
  }

  private void round(KvCompression compression, int threads) throws Exception {
    long kvBytes = rows * blocks.get(0).bytes();
    long cpu = cpuNanos();
    long start = System.nanoTime();
    List<StoredFile> files = parquet(compression, threads);
    double parquet = kvBytes / (System.nanoTime() - start + 0.0);
    double parquetCpu = (cpuNanos() - cpu) / (kvBytes + 0.0);
    long stored = files.stream().mapToLong(StoredFile::bytes).sum();
    removeFiles(files);
    cpu = cpuNanos();
    start = System.nanoTime();
    raw(stored, threads);
    double raw = stored / (System.nanoTime() - start + 0.0);
    double rawCpu = (cpuNanos() - cpu) / (stored + 0.0);
    System.out.printf(
        Locale.ROOT,
        "%-12s  %7d  %7.2f  %4.2f  %5.2f  %4.2f  %11.2f  %,15d%n",
        compression.label(),
        threads,
        parquet,
        parquetCpu,
        raw,
        rawCpu,
        parquet / raw,
        stored);
  }

  /** Of the whole process: threads of the JVM's own too. */
  private static long cpuNanos() {
    return ProcessHandle.current().info().totalCpuDuration().map(Duration::toNanos).orElse(0L);
  }

  /** Every thread writes the blocks of its lane. */
  private List<StoredFile> parquet(KvCompression compression, int threads) throws Exception {
    WriterOptions options =
        new WriterOptions(folder.toString(), "bench", 1, "{}", compression, threads);
    TableWriters writers = TableWriters.open(new Configuration(), options, 0, 1);
    try (writers) {
      inThreads(
          threads,
          lane -> {
            for (long row = 0; row < rows; row++) {
              KvBlock block = blocks.get((int) (row % blocks.size()));
              if (writers.lane(block) == lane) {
                writers.kv("document", block);
              }
            }
          });
      List<StoredFile> files = writers.finish(List.of()).files();
      inThreads(
          threads,
          lane -> {
            for (int file = lane; file < files.size(); file += threads) {
              sync(folder.resolve(files.get(file).path()));
            }
          });
      return files;
    }
  }

  /** Every thread writes its share of the bytes to a file of its own. */
  private void raw(long bytes, int threads) throws Exception {
    inThreads(
        threads,
        lane -> {
          Path file = folder.resolve("raw-" + lane);
          ByteBuffer buffer = ByteBuffer.allocateDirect(RAW_BUFFER);
          long left = bytes / threads;
          byte[] key = blocks.get(lane % blocks.size()).key();
          while (buffer.hasRemaining()) {
            buffer.put(key, 0, Math.min(key.length, buffer.remaining()));
          }
          try (FileChannel channel =
              FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            while (left > 0) {
              buffer.clear().limit((int) Math.min(RAW_BUFFER, left));
              left -= channel.write(buffer);
            }
            channel.force(true);
          }
        });
    for (int lane = 0; lane < threads; lane++) {
      Files.delete(folder.resolve("raw-" + lane));
    }
  }

  @FunctionalInterface
  private interface Part {
    void run(int thread) throws IOException;
  }

  private static void inThreads(int count, Part part) throws Exception {
    try (SideThread threads = new SideThread("write-bench", count, true)) {
      List<Future<Void>> parts = new ArrayList<>();
      for (int thread = 0; thread < count; thread++) {
        int number = thread;
        parts.add(
            threads.submit(
                () -> {
                  part.run(number);
                  return null;
                }));
      }
      for (Future<Void> running : parts) {
        running.get();
      }
    } catch (ExecutionException e) {
      throw SideThread.thrown(e.getCause());
    }
  }

  private static void sync(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.force(true);
    }
  }

  /** Blocks in a document's order, of normally distributed numbers. */
  private record Sample(KvDtype dtype, int blockTokens, int heads, int headDim, int blocksOfLayer) {
    List<KvBlock> blocks(long count) {
      List<KvBlock> blocks = new ArrayList<>();
      SplittableRandom random = new SplittableRandom(1);
      for (int i = 0; i < Math.max(1, count); i++) {
        int block = i % blocksOfLayer;
        byte[] key = numbers(random);
        byte[] value = numbers(random);
        byte[] keyScale = scales(random);
        byte[] valueScale = scales(random);
        blocks.add(
            new KvBlock(
                i / blocksOfLayer,
                block,
                block * blockTokens,
                blockTokens,
                dtype,
                key,
                value,
                keyScale,
                valueScale,
                KvBlock.checksum(key, value, keyScale, valueScale)));
      }
      return blocks;
    }

    private byte[] numbers(SplittableRandom random) {
      int count = blockTokens * heads * headDim;
      ByteBuffer bytes = ByteBuffer.allocate(count * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < count; i++) {
        float x = (float) random.nextGaussian();
        switch (dtype) {
          case BF16 -> bytes.putShort(HalfFloats.toBf16(x));
          case FP16 -> bytes.putShort(HalfFloats.toFp16(x));
          case FP32 -> bytes.putFloat(x);
          case FP8 -> bytes.put(E4m3.of(x * 150)); // three deviations are the format's largest
        }
      }
      return bytes.array();
    }

    private byte[] scales(SplittableRandom random) {
      if (!dtype.scaled()) {
        return null;
      }
      ByteBuffer bytes =
          ByteBuffer.allocate(blockTokens * heads * dtype.scaleBytes())
              .order(ByteOrder.LITTLE_ENDIAN);
      while (bytes.hasRemaining()) {
        bytes.putFloat((float) random.nextDouble(0.005, 0.01));
      }
      return bytes.array();
    }
  }

  private void removeFiles(List<StoredFile> files) throws IOException {
    for (StoredFile file : files) {
      Files.delete(folder.resolve(file.path()));
    }
  }

  private static void remove(Path folder) throws IOException {
    List<Path> paths;
    try (var found = Files.walk(folder)) {
      paths = new ArrayList<>(found.toList());
    }
    paths.sort((a, b) -> b.compareTo(a)); // what is inside comes first
    for (Path path : paths) {
      Files.delete(path);
    }
  }
}
