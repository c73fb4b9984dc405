package io.sparsefill.udf.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.udf.Emit;
import io.sparsefill.udf.Engine;
import io.sparsefill.udf.PrefillResult;
import io.sparsefill.udf.SharedMaterial;
import io.sparsefill.udf.TopTokens;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.HeldTokenizers;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/**
 * The functions by rows, in tasks of Spark. Oracle: the engine itself, with the same options and
 * threads, so that numbers are the same to the last bit.
 */
class SqlFunctionsTest {
  private static final Path MODEL = SharedMaterial.model("needle-2m");
  private static final String SHORT = "The door was open.";
  private static final String LONG =
      IntStream.range(0, 150)
          .mapToObj(i -> "Line " + i + " of " + i * 31 % 97 + " hides nothing. ")
          .collect(Collectors.joining());
  private static final String[] TEXTS = {SHORT, null, LONG, "x", SHORT};

  @AfterAll
  static void close() {
    SqlSession.closeAll();
  }

  private static SqlSession session(String... more) {
    String[] all = Arrays.copyOf(new String[] {"model", MODEL.toString()}, 2 + more.length);
    System.arraycopy(more, 0, all, 2, more.length);
    SqlSession session = SqlSession.of(all);
    SparsefillFunctions.registerAll(session.spark());
    return session;
  }

  private static int[] tokens(String text, BosPolicy bos) {
    try (TextTokenizer tokenizer = TextTokenizer.open(MODEL, bos)) {
      return tokenizer.encode(text);
    }
  }

  private static SqlSettings.Model model(String attention) {
    return SqlSettings.of(
            key ->
                switch (key) {
                  case "spark.sparsefill.model" -> MODEL.toString();
                  case "spark.sparsefill.attention" -> attention;
                  default -> null;
                },
            SqlSession.THREADS)
        .model();
  }

  private static PrefillResult prefill(String attention, Emit emit, int[] tokens) throws Exception {
    try (Engine engine = Engine.open(model(attention).engine(emit))) {
      return engine.prefill(tokens, null);
    }
  }

  @Test
  void tokenCounts() {
    assertThat(session().results("token_count(text)", TEXTS))
        .containsExactly(
            tokens(SHORT, BosPolicy.AUTO).length,
            null,
            tokens(LONG, BosPolicy.AUTO).length,
            tokens("x", BosPolicy.AUTO).length,
            tokens(SHORT, BosPolicy.AUTO).length);
  }

  @Test
  void nllOfTheEngineDenseAndSparse() throws Exception {
    for (String attention : List.of("dense", "vertical-slash:30:200")) {
      List<Row> rows = session("attention", attention).select("prefill_nll(text)", TEXTS);
      for (int i = 0; i < TEXTS.length; i++) {
        Row result = rows.get(i).getStruct(1);
        if (TEXTS[i] == null) {
          assertThat(result).isNull();
        } else {
          int[] tokens = tokens(TEXTS[i], BosPolicy.AUTO);
          double nll = prefill(attention, Emit.NLL, tokens).meanNll();
          assertThat(result.<Integer>getAs("token_count")).isEqualTo(tokens.length);
          assertThat(result.<Double>getAs("nll")).as(TEXTS[i]).isEqualTo(nll);
          assertThat(result.<Double>getAs("perplexity")).isEqualTo(Math.exp(nll));
        }
      }
    }
  }

  @Test
  void logitsOfTheEngine() throws Exception {
    Row result = session("top-k", "5").select("prefill_logits(text)", LONG).get(0).getStruct(1);
    int[] tokens = tokens(LONG, BosPolicy.AUTO);
    float[] logits = prefill("minference", Emit.LOGITS, tokens).lastLogits()[0];
    TopTokens expected = TopTokens.of(logits, 5, tokens.length - 1);
    assertThat(result.<Integer>getAs("token_count")).isEqualTo(tokens.length);
    List<Row> top = result.getList(result.fieldIndex("top"));
    assertThat(top).hasSize(5);
    try (TextTokenizer tokenizer = TextTokenizer.open(MODEL, BosPolicy.AUTO)) {
      for (int i = 0; i < 5; i++) {
        int id = expected.ids()[i];
        assertThat(top.get(i).<Integer>getAs("id")).isEqualTo(id);
        assertThat(top.get(i).<String>getAs("token")).isEqualTo(tokenizer.token(id));
        assertThat(top.get(i).<Double>getAs("logprob")).isEqualTo(expected.logProbabilities()[i]);
      }
    }
  }

  @Test
  void hiddenStateOfTheEngine() throws Exception {
    List<Row> rows = session().select("prefill_hidden(text)", SHORT, null);
    float[] expected =
        prefill("minference", Emit.HIDDEN, tokens(SHORT, BosPolicy.AUTO)).lastHidden();
    List<Float> hidden = rows.get(0).getList(1);
    assertThat(hidden).hasSameSizeAs(expected);
    for (int i = 0; i < expected.length; i++) {
      assertThat(hidden.get(i)).isEqualTo(expected[i]);
    }
    assertThat(rows.get(1).isNullAt(1)).isTrue();
  }

  @Test
  void aTextWithoutTokensHasNothingToPredict() {
    SqlSession session = session("bos", "never");
    Row nll = session.select("prefill_nll(text)", "").get(0).getStruct(1);
    assertThat(nll.<Integer>getAs("token_count")).isZero();
    assertThat(nll.<Double>getAs("nll")).isNull();
    assertThat(nll.<Double>getAs("perplexity")).isNull();
    Row logits = session.select("prefill_logits(text)", "").get(0).getStruct(1);
    assertThat(logits.<Integer>getAs("token_count")).isZero();
    assertThat(logits.<List<Row>>getAs("top")).isNull();
    assertThat(session.results("prefill_hidden(text)", "")).containsExactly((Object) null);
    assertThat(session.results("token_count(text)", "")).containsExactly(0);
  }

  @Test
  void aLongTextIsAnErrorThatNamesItUnlessItIsCutOrLeftOut() throws Exception {
    String expression = "prefill_nll(text)";
    assertThatThrownBy(() -> session("max-tokens", "10").results(expression, LONG))
        .hasStackTraceContaining(
            "Cannot compute prefill_nll of the text that begins with \"Line 0 of 0 hides nothing."
                + " Line 1 of 31 hides nothing. Line \" (")
        .hasStackTraceContaining("more than 10; set spark.sparsefill.max-tokens");
    Row cut =
        session("max-tokens", "10", "on-too-long", "truncate", "attention", "dense")
            .select(expression, LONG)
            .get(0)
            .getStruct(1);
    int[] first = Arrays.copyOf(tokens(LONG, BosPolicy.AUTO), 10);
    assertThat(cut.<Integer>getAs("token_count")).isEqualTo(10);
    assertThat(cut.<Double>getAs("nll")).isEqualTo(prefill("dense", Emit.NLL, first).meanNll());
    SqlSession skip = session("max-tokens", "10", "on-too-long", "skip");
    assertThat(skip.results(expression, LONG)).containsExactly((Object) null);
    assertThat(skip.results("token_count(text)", LONG))
        .containsExactly(tokens(LONG, BosPolicy.AUTO).length);
  }

  @Test
  void aWrongSettingFailsTheQueryWithItsName() {
    SqlSession none = SqlSession.of();
    SparsefillFunctions.registerAll(none.spark());
    assertThatThrownBy(() -> none.results("token_count(text)", SHORT))
        .hasStackTraceContaining("the configuration key spark.sparsefill.model is not set");
    assertThatThrownBy(() -> session("top-k", "0").results("token_count(text)", SHORT))
        .hasStackTraceContaining(
            "Cannot use spark.sparsefill.top-k=0: accepted is a whole number of at least 1");
    assertThatThrownBy(() -> session("on-too-long", "cut").results("token_count(text)", SHORT))
        .hasStackTraceContaining(
            "Cannot use spark.sparsefill.on-too-long=cut: accepted is fail, truncate, skip");
    assertThatThrownBy(() -> session("bos", "maybe").results("token_count(text)", SHORT))
        .hasStackTraceContaining("Cannot use spark.sparsefill.bos=maybe: Unknown BOS policy");
    assertThatThrownBy(
            () ->
                session("backend", "cpu", "require-gpu", "true")
                    .results("prefill_nll(text)", SHORT))
        .hasStackTraceContaining("require-gpu=true and spark.sparsefill.backend=cpu");
    assertThatThrownBy(() -> session("require-gpu", "yes").results("token_count(text)", SHORT))
        .hasStackTraceContaining("spark.sparsefill.require-gpu=yes: accepted is true, false");
    assertThatThrownBy(() -> session("attention", "static").results("prefill_nll(text)", SHORT))
        .hasStackTraceContaining(
            "Cannot use spark.sparsefill.attention=static: its lines are those of the first document");
    assertThatThrownBy(() -> session("backend", "tpu").results("prefill_nll(text)", SHORT))
        .hasStackTraceContaining("tpu");
  }

  /** As PySpark's {@code registerJavaFunction} does it, with the class names of README. */
  @Test
  void classesRegisterByTheirNames() {
    SqlSession session = SqlSession.of("model", MODEL.toString());
    for (Columns columns : Columns.values()) {
      for (SqlFunction function : SqlFunction.values()) {
        session
            .spark()
            .udf()
            .registerJava("by_name", function.udf(columns).getClass().getName(), function.type());
        assertThat(session.results("by_name(text)", SHORT, null).get(0)).isNotNull();
        assertThat(session.results("by_name(text)", SHORT, null).get(1)).isNull();
      }
    }
  }

  /** Every session has them, without a call; a literal is computed while Spark plans. */
  @Test
  void theExtensionGivesTheSameFunctions() {
    SqlSession registered = session();
    SqlSession extended = SqlSession.extended("model", MODEL.toString());
    for (SqlFunction function : SqlFunction.values()) {
      String expression = function.sqlName() + "(text)";
      assertThat(extended.results(expression, SHORT, null))
          .isEqualTo(registered.results(expression, SHORT, null));
      assertThat(
              extended
                  .spark()
                  .sql("describe function " + function.sqlName())
                  .collectAsList()
                  .toString())
          .contains(function.usage());
    }
    assertThat(extended.spark().sql("select token_count('" + SHORT + "')").first().getInt(0))
        .isEqualTo(tokens(SHORT, BosPolicy.AUTO).length);
    assertThatThrownBy(() -> extended.results("token_count(text, text)", SHORT))
        .hasMessageContaining("Cannot call token_count with 2 arguments: it takes one, the text");
  }

  /** The schema is part of the interface: tables are written with it. */
  @Test
  void resultTypes() {
    StructType schema =
        session()
            .spark()
            .sql(
                "select token_count(text) a, prefill_nll(text) b, prefill_logits(text) c,"
                    + " prefill_hidden(text) d from values ('x') as t(text)")
            .schema();
    assertThat(schema.toDDL())
        .isEqualTo(
            "a INT,b STRUCT<token_count: INT, nll: DOUBLE, perplexity: DOUBLE>,c STRUCT<token_count:"
                + " INT, top: ARRAY<STRUCT<id: INT, token: STRING, logprob: DOUBLE>>>,d ARRAY<FLOAT>");
    assertThat(schema.fields()).allMatch(field -> field.nullable());
    for (SqlFunction function : SqlFunction.values()) {
      assertThat(function.function(Columns.NONE).deterministic()).isTrue();
    }
  }

  @Test
  void tasksShareOneTokenizerAndAnotherOneReplacesIt() {
    SqlSession session = session();
    session.results("prefill_nll(text)", SHORT, SHORT, SHORT, SHORT);
    session.results("prefill_hidden(text)", SHORT, SHORT);
    assertThat(HeldTokenizers.count()).isEqualTo(1);
    session("bos", "never").results("prefill_nll(text)", SHORT);
    assertThat(HeldTokenizers.count()).isEqualTo(1);
    HeldTokenizers.closeUnclaimed();
    assertThat(HeldTokenizers.count()).isZero();
  }
}
