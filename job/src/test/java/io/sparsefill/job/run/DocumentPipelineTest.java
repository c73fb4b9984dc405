package io.sparsefill.job.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.output.KvCompression;
import io.sparsefill.job.output.StoredFile;
import io.sparsefill.job.output.Table;
import io.sparsefill.job.output.TableWriters;
import io.sparsefill.job.output.TaskOutput;
import io.sparsefill.job.output.WriterOptions;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.cuda.CudaFailure;
import io.sparsefill.udf.DeviceLost;
import io.sparsefill.udf.Emit;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.KvSink;
import io.sparsefill.udf.PrefillResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * An engine that computes nothing between real reading and writing threads and real Parquet files;
 * oracles: what the engine was given and gave.
 */
@Timeout(60)
class DocumentPipelineTest {
  private static final int BLOCK = 256;

  @TempDir Path folder;

  private final List<String> counted = new ArrayList<>();

  /** An engine that takes no time and gives one logit for each document. */
  private static PrefillResult result(int[] tokens) {
    return new PrefillResult(
        tokens.length, new float[][] {{1, 2}}, null, null, "dense", 1, 0, 0.5, "fake");
  }

  private static TokenizedDocument document(int i, int tokens) {
    return new TokenizedDocument(
        "d" + i, "file" + i, "sha" + i, new int[tokens], DocumentStatus.OK, null, null);
  }

  private static Iterator<TokenizedDocument> documents(int... lengths) {
    List<TokenizedDocument> documents = new ArrayList<>();
    for (int i = 0; i < lengths.length; i++) {
      documents.add(document(i, lengths[i]));
    }
    return documents.iterator();
  }

  /** Bytes of keys, and of values, of one token in one layer. */
  private static void emit(KvSink sink, int tokens, int layers, int bytes) throws Exception {
    for (int layer = 0; layer < layers; layer++) {
      for (int start = 0; start < tokens; start += BLOCK) {
        int count = Math.min(BLOCK, tokens - start);
        byte[] cell = new byte[count * bytes];
        sink.accept(new KvBlock(layer, start / BLOCK, start, count, KvDtype.BF16, cell, cell, 0));
      }
    }
  }

  private TableWriters writers() throws IOException {
    return writers(1);
  }

  private TableWriters writers(int lanes) throws IOException {
    return TableWriters.open(
        new Configuration(),
        new WriterOptions(folder.toString(), "run", 1, "{}", KvCompression.UNCOMPRESSED, lanes),
        0,
        1);
  }

  /** An engine that is asked nothing. */
  @FunctionalInterface
  private interface Engine {
    PrefillResult prefill(int[] tokens, KvSink sink) throws Exception;
  }

  private DocumentPipeline pipeline(
      Engine engine, TableWriters writers, IntFunction<String> tokenText) {
    return new DocumentPipeline(
        (document, sink) ->
            new DocumentPipeline.Prefilled(engine.prefill(document.tokenIds(), sink), null),
        new DocumentPipeline.Labels("fake", "print", "run", true, BLOCK),
        new LogitsRows(Set.of(Emit.KV, Emit.LOGITS), 1, false),
        tokenText,
        writers,
        new DocumentPipeline.Task() {
          @Override
          public void endIfKilled() {}

          @Override
          public void count(int tokens) {
            counted.add(Integer.toString(tokens));
          }
        });
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void rowsComeInOrderAndADocumentThatFailsHarmsNoOther(int lanes) throws Exception {
    try (TableWriters writers = writers(lanes)) {
      AtomicInteger call = new AtomicInteger();
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                emit(sink, tokens.length, 2, 8);
                if (call.getAndIncrement() == 1) {
                  throw new ArithmeticException("overflow in layer 1");
                }
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      List<DocumentRow> rows = pipeline.run(documents(600, 300, 10));
      assertThat(rows).extracting(DocumentRow::docId).containsExactly("d0", "d1", "d2");
      assertThat(rows)
          .extracting(DocumentRow::status)
          .containsExactly(DocumentStatus.OK, DocumentStatus.FAILED, DocumentStatus.OK);
      assertThat(rows.get(1).error()).isEqualTo("overflow in layer 1");
      assertThat(rows.get(1).prefillSeconds()).isNull();
      assertThat(counted).containsExactly("600", "300", "10");
      TaskOutput output = writers.finish(rows);
      // Three blocks in each of two layers, two in each, one in each; the failed one's stay.
      List<StoredFile> kv =
          output.files().stream().filter(file -> file.table() == Table.KV).toList();
      assertThat(kv).hasSize(lanes);
      assertThat(kv.stream().mapToLong(StoredFile::rows).sum()).isEqualTo(12);
    }
  }

  @Test
  void aFailureWhileTheRowsAreMadeIsTheDocumentsOwn() throws Exception {
    try (TableWriters writers = writers()) {
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) ->
                  tokens.length == 2
                      ? new PrefillResult(
                          2, new float[][] {{Float.NaN, 0}}, null, null, "dense", 1, 0, 1, "fake")
                      : result(tokens),
              writers,
              id -> "t" + id);
      List<DocumentRow> rows = pipeline.run(documents(1, 2, 3));
      assertThat(rows)
          .extracting(DocumentRow::status)
          .containsExactly(DocumentStatus.OK, DocumentStatus.FAILED, DocumentStatus.OK);
      assertThat(rows.get(1).error()).contains("position 1").contains("NaN");
    }
  }

  @Test
  void aCellThatIsRefusedIsTheDocumentsFailureToo() throws Exception {
    try (TableWriters writers = writers()) {
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                byte[] value = new byte[tokens.length == 2 ? 7 : 8];
                sink.accept(new KvBlock(0, 0, 0, 1, KvDtype.BF16, new byte[8], value, 0));
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      List<DocumentRow> rows = pipeline.run(documents(1, 2, 3));
      assertThat(rows)
          .extracting(DocumentRow::status)
          .containsExactly(DocumentStatus.OK, DocumentStatus.FAILED, DocumentStatus.OK);
      assertThat(rows.get(1).error()).contains("key has 8 bytes, value 7");
    }
  }

  @Test
  void aLostOutputEndsTheTaskAndIsNoDocumentsFailure() throws Exception {
    try (TableWriters writers = writers()) {
      AtomicInteger prefilled = new AtomicInteger();
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                prefilled.incrementAndGet();
                emit(sink, tokens.length, 2, 8);
                return result(tokens);
              },
              writers,
              id -> {
                throw new AssertionError("the disk is full"); // as the first write of rows
              });
      assertThatThrownBy(() -> pipeline.run(documents(new int[1_000])))
          .isInstanceOf(AssertionError.class)
          .hasMessage("the disk is full");
      assertThat(prefilled.get()).isLessThan(1_000);
    }
  }

  /**
   * The third lane's file cannot be made. Oracle: the task ends, no document is told to have
   * failed, and no file is left.
   */
  @Test
  void aLaneThatCannotWriteEndsTheTaskAndIsNoDocumentsFailure() throws Exception {
    Path staged = folder.resolve("_staging/run-w00001/0-1");
    Files.createDirectories(staged.resolve("kv/0002.parquet"));
    try (TableWriters writers = writers(3)) {
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                emit(sink, tokens.length, 2, 8);
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      assertThatThrownBy(() -> pipeline.run(documents(600, 600, 600)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(staged.toString());
      assertThat(counted).isEmpty();
    }
    assertThat(staged).doesNotExist();
  }

  /** Oracle: no document is told, neither the one that was being pre-filled nor later ones. */
  @Test
  void aLostGpuEndsTheTaskAndIsNoDocumentsFailure() throws Exception {
    DeviceLost lost =
        DeviceLost.of(new CudaFailure("Cannot launch: CUDA_ERROR_ILLEGAL_ADDRESS", 700))
            .orElseThrow();
    try (TableWriters writers = writers()) {
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                if (tokens.length == 3) {
                  throw lost;
                }
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      assertThatThrownBy(() -> pipeline.run(documents(2, 3, 4))).isSameAs(lost);
      assertThat(counted).doesNotContain("3", "4");
    }
  }

  @Test
  void whatReadingThrowsComesAtItsOwnDocument() throws Exception {
    try (TableWriters writers = writers()) {
      List<Integer> prefilled = new ArrayList<>();
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                prefilled.add(tokens.length);
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      Iterator<TokenizedDocument> broken =
          new Counting(5, i -> i + 1) {
            @Override
            public TokenizedDocument next() {
              if (read() == 2) {
                throw new IllegalStateException("the input has changed");
              }
              return super.next();
            }
          };
      assertThatThrownBy(() -> pipeline.run(broken))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("the input has changed");
      assertThat(prefilled).containsExactly(1, 2);
    }
  }

  @Test
  void oneDocumentIsReadAheadAndNoMore() throws Exception {
    Counting source = new Counting(4, i -> 1);
    List<Integer> readDuring = new ArrayList<>();
    try (TableWriters writers = writers()) {
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                int number = readDuring.size() + 1;
                source.awaitRead(Math.min(4, number + 1));
                readDuring.add(source.read());
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      pipeline.run(source);
    }
    assertThat(readDuring).containsExactly(2, 3, 4, 4);
  }

  @Test
  void anInterruptEndsItAtOnceAndLeavesNoThread() throws Exception {
    CountDownLatch inside = new CountDownLatch(1);
    AtomicInteger interrupted = new AtomicInteger();
    try (TableWriters writers = writers(3)) {
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                emit(sink, 3 * BLOCK, 2, 8);
                inside.countDown();
                Thread.sleep(TimeUnit.MINUTES.toMillis(5)); // ended by the interrupt
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      Thread task =
          new Thread(
              () -> {
                try {
                  pipeline.run(documents(1, 1));
                } catch (InterruptedException e) {
                  interrupted.incrementAndGet();
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              });
      task.start();
      inside.await();
      task.interrupt();
      task.join();
    }
    assertThat(interrupted.get()).isEqualTo(1);
    assertThat(Thread.getAllStackTraces().keySet())
        .extracting(Thread::getName)
        .noneMatch(
            name -> name.startsWith("sparsefill-read") || name.startsWith("sparsefill-write"));
    assertThat(folder.resolve("_staging/run-w00001/0-1")).doesNotExist();
  }

  /**
   * The ratios of a large model on a GPU: 20,000 tokens/s of pre-fill, 4 bytes of text for each
   * token made into tokens at 1 MB/s while it is read, and 8 KB of keys and values for each token,
   * 160 MB/s, written to this machine's disk. One after the other, reading takes 4 and writing at
   * 0.5 GB/s 16 us for each token beside the engine's 50: an idle share of 29 %.
   */
  @Test
  void theEngineIsIdleForLessThanFivePercent() throws Exception {
    int documents = 12;
    IntUnaryOperator lengths = i -> 5_000 + 500 * (i % 7);
    Counting source =
        new Counting(documents, lengths) {
          @Override
          public TokenizedDocument next() {
            TokenizedDocument next = super.next();
            takes(next.tokenIds().length * 4 / 1e6);
            return next;
          }
        };
    int layers = 4;
    try (TableWriters writers = writers()) {
      DocumentPipeline pipeline =
          pipeline(
              (tokens, sink) -> {
                for (int layer = 0; layer < layers; layer++) {
                  takes(tokens.length / 20_000.0 / layers);
                  emit(sink, tokens.length, 1, 1_000); // 4 x 2 x 1,000 bytes for a token
                }
                return result(tokens);
              },
              writers,
              id -> "t" + id);
      long started = System.nanoTime();
      assertThat(pipeline.run(source)).hasSize(documents);
      double seconds = (System.nanoTime() - started) / 1e9;
      double computing = IntStream.range(0, documents).map(lengths).sum() / 20_000.0;
      EngineTime time = pipeline.time(seconds, 0);
      double idle = 1 - time.prefillSeconds() / time.taskSeconds();
      System.out.printf(
          "%d documents in %.3f s, of it %.3f s in pre-fills, %.3f s computing: idle %.1f %%%n",
          documents, seconds, time.prefillSeconds(), computing, 100 * idle);
      assertThat(time.prefillSeconds()).isGreaterThanOrEqualTo(computing);
      assertThat(idle).isLessThan(0.05);
    }
  }

  /** Passes time as a device does: without this machine's cores. */
  private static void takes(double seconds) {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
  }

  /** Documents that are made when they are asked for, and counted. */
  private static class Counting implements Iterator<TokenizedDocument> {
    private final int count;
    private final IntUnaryOperator lengths;
    private int read;

    Counting(int count, IntUnaryOperator lengths) {
      this.count = count;
      this.lengths = lengths;
    }

    synchronized int read() {
      return read;
    }

    synchronized void awaitRead(int atLeast) throws InterruptedException {
      while (read < atLeast) {
        wait();
      }
    }

    @Override
    public boolean hasNext() {
      return read() < count;
    }

    @Override
    public synchronized TokenizedDocument next() {
      if (read == count) {
        throw new NoSuchElementException();
      }
      read++;
      notifyAll();
      return document(read - 1, lengths.applyAsInt(read - 1));
    }
  }
}
