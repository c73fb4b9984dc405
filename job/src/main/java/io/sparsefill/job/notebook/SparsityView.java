package io.sparsefill.job.notebook;

import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.Documents;
import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.job.Tokenizing;
import io.sparsefill.job.TokenizingOptions;
import io.sparsefill.job.run.CheckedModel;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.PrefillTasks;
import io.sparsefill.job.run.RunBackend;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.RunOptions;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.job.run.UsageException;
import io.sparsefill.kernels.attention.AttentionPlan;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/**
 * What sparse attention computes of one document, head by head. The document is walked densely on
 * an executor, and in every layer the patterns are tried on its exact queries, keys and values: so
 * a layer's numbers do not hold the errors of those before it.
 */
public final class SparsityView {
  private static final StructType HEADS =
      StructType.fromDDL(
          "layer int, head int, pattern string, tiles bigint, causal_tiles bigint, density double,"
              + " error double, last_error double, recall double");

  private static final StructType PICTURES =
      StructType.fromDDL("layer int, head int, cell_tokens int, query int, key int, share float");

  private final SparkSession spark;
  private final int tokens;
  private final SparsityTask.Found found;

  private SparsityView(SparkSession spark, int tokens, SparsityTask.Found found) {
    this.spark = spark;
    this.tokens = tokens;
    this.found = found;
  }

  /**
   * Looks at a document.
   *
   * @param options those of {@code run}, without dashes: {@code model}, {@code input}, {@code
   *     format}, {@code attention}, {@code patterns} and so on; the session's {@code
   *     spark.sparsefill.*} where one is not given
   * @param docId a document of the input
   * @param pictured heads whose tiles are wanted, as {@code LAYER:HEAD}
   * @throws UsageException if model, input, document or a head cannot be used; nothing was computed
   */
  public static SparsityView of(
      SparkSession spark, Map<String, String> options, String docId, List<String> pictured)
      throws IOException {
    RunOptions given = read(options);
    if (AttentionPlan.keepsLines(given.compute().attention())) {
      throw new UsageException(
          "Cannot look at --attention %s: its lines are those of another document; name the mode that chose them, vertical-slash"
              .formatted(given.compute().attention()));
    }
    CheckedModel model = CheckedModel.open(given.model(), given.compute(), given.tokens().bos());
    List<HeadName> heads =
        pictured.stream().map(head -> HeadName.parse(head, model.config())).distinct().toList();
    RunOptions run = given.on(RunBackend.of(spark, given.compute(), model));
    int[] tokens = tokens(spark, run, model, docId);
    PrefillTasks tasks = PrefillTasks.of(spark);
    SparsityTask task = new SparsityTask(model.engine(run, tasks.threads()), heads);
    JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    context.sc().setJobDescription("looking at the attention of " + docId);
    try {
      JavaRDD<byte[]> one = context.parallelize(List.of(JavaBytes.of(tokens)), 1);
      byte[] stored = tasks.on(one.map(task)).collect().get(0);
      return new SparsityView(
          spark, tokens.length, JavaBytes.read(stored, SparsityTask.Found.class));
    } finally {
      context.sc().setJobDescription(null);
    }
  }

  private static RunOptions read(Map<String, String> options) {
    Map<RunOption, String> values = new EnumMap<>(RunOption.class);
    options.forEach(
        (name, value) ->
            values.put(
                RunOption.ofKey(RunOption.KEY_PREFIX + name)
                    .orElseThrow(
                        () ->
                            new UsageException(
                                "Cannot use option '%s': accepted are those of run, without dashes: %s"
                                    .formatted(name, names()))),
                value));
    values.put(RunOption.DRY_RUN, "true"); // nothing is written
    values.put(RunOption.OUTPUT, "");
    return RunOptions.of(OptionValues.resolve(values, SessionScope.configuration()));
  }

  private static String names() {
    return String.join(", ", Arrays.stream(RunOption.values()).map(RunOption::label).toList());
  }

  private static int[] tokens(
      SparkSession spark, RunOptions options, CheckedModel model, String docId) {
    int most = options.tokens().maxTokens();
    TokenizingOptions tokenizing =
        new TokenizingOptions(
            model.folder().toString(),
            options.tokens().bos(),
            most == 0 ? model.config().maxPositions() : most,
            options.tokens().onTooLong(),
            model.config().vocab());
    List<byte[]> found;
    try {
      found =
          Tokenizing.tokenize(
                  Documents.read(spark, options.input())
                      .filter(document -> document.docId().equals(docId)),
                  tokenizing,
                  (id, sha) -> false)
              .map(JavaBytes::of)
              .collect();
    } catch (IOException | IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
    if (found.isEmpty()) {
      throw new UsageException(
          "Cannot look at document '%s': %s holds none of that name"
              .formatted(docId, options.input().input()));
    }
    TokenizedDocument document = JavaBytes.read(found.get(0), TokenizedDocument.class);
    if (document.status() == DocumentStatus.FAILED || document.tokenIds().length == 0) {
      throw new UsageException(
          "Cannot look at document '%s': %s".formatted(docId, document.error()));
    }
    return document.tokenIds();
  }

  /** T, tokens of the document. */
  public int tokens() {
    return tokens;
  }

  /**
   * A row for each head: layer, head, pattern (as {@code --attention} spells it), tiles and
   * causal_tiles (score tiles of 64 x 64), density (the one divided by the other), error and
   * last_error (of the head's output against dense attention, relative; over all queries, and the
   * last 64), recall (share of the dense attention weights on the keys that are computed).
   */
  public Dataset<Row> heads() {
    List<Row> rows = new ArrayList<>();
    for (HeadSparsity head : found.heads()) {
      rows.add(
          RowFactory.create(
              head.layer(),
              head.head(),
              head.pattern(),
              head.tiles(),
              head.causalTiles(),
              (double) head.tiles() / head.causalTiles(),
              head.error(),
              head.lastError(),
              head.recall()));
    }
    return spark.createDataFrame(rows, HEADS);
  }

  /**
   * The tiles of the heads that were asked for: a row for each cell of the picture in which
   * anything is computed, with layer, head, cell_tokens (queries and keys of a cell: 64, or a
   * multiple where the document has more than 256 tiles), query and key (first position of each),
   * and the share of the causal scores that is computed.
   */
  public Dataset<Row> pictures() {
    List<Row> rows = new ArrayList<>();
    for (TilePicture picture : found.pictures()) {
      for (int row = 0; row < picture.share().length; row++) {
        for (int column = 0; column <= row; column++) {
          if (picture.share()[row][column] > 0) {
            rows.add(
                RowFactory.create(
                    picture.layer(),
                    picture.head(),
                    picture.cellTokens(),
                    row * picture.cellTokens(),
                    column * picture.cellTokens(),
                    picture.share()[row][column]));
          }
        }
      }
    }
    return spark.createDataFrame(rows, PICTURES);
  }
}
