package io.sparsefill.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Oracles: a fake encoder (one token per character), and the tokenizer called directly. */
class TokenizingTest {
  private static final Tokenizing.Done NONE = (docId, sha) -> false;

  private static TokenizingOptions options(OnTooLong onTooLong) {
    return new TokenizingOptions("model", BosPolicy.AUTO, 4, onTooLong, 200);
  }

  private static Document text(String text) {
    return new Document("id", "file", "sha", text, null, null);
  }

  private static TokenizedDocument tokenize(Document document, OnTooLong onTooLong) {
    return Tokenizing.tokenize(
        document,
        options(onTooLong),
        NONE,
        text -> text.chars().toArray(),
        text -> text.chars().toArray());
  }

  @Test
  void shortDocumentsAreTakenAsTheyAre() {
    TokenizedDocument tokenized = tokenize(text("abcd"), OnTooLong.FAIL);
    assertThat(tokenized.tokenIds()).containsExactly(97, 98, 99, 100);
    assertThat(tokenized.status()).isEqualTo(DocumentStatus.OK);
    assertThat(tokenized.error()).isNull();
    assertThat(tokenized.docId()).isEqualTo("id");
    assertThat(tokenized.source()).isEqualTo("file");
    assertThat(tokenized.contentSha256()).isEqualTo("sha");
  }

  @Test
  void threePoliciesForLongOnes() {
    TokenizedDocument failed = tokenize(text("abcdefg"), OnTooLong.FAIL);
    assertThat(failed.status()).isEqualTo(DocumentStatus.FAILED);
    assertThat(failed.error())
        .isEqualTo(
            "has 7 tokens, more than --max-tokens 4; raise that, or choose --on-too-long truncate or skip");
    assertThat(failed.tokenIds()).isEmpty();

    TokenizedDocument skipped = tokenize(text("abcdefg"), OnTooLong.SKIP);
    assertThat(skipped.status()).isEqualTo(DocumentStatus.SKIPPED);
    assertThat(skipped.error()).isEqualTo("has 7 tokens, more than --max-tokens 4");
    assertThat(skipped.tokenIds()).isEmpty();

    TokenizedDocument cut = tokenize(text("abcdefg"), OnTooLong.TRUNCATE);
    assertThat(cut.status()).isEqualTo(DocumentStatus.TRUNCATED);
    assertThat(cut.error())
        .isEqualTo("has 7 tokens, more than --max-tokens 4; the last 3 were cut");
    assertThat(cut.tokenIds()).containsExactly(97, 98, 99, 100);
  }

  /** One token for each character; an answer may have 3 of 10. */
  private static TokenizedDocument ask(String text, String question, OnTooLong onTooLong) {
    return Tokenizing.tokenize(
        new Document("id", "file", "sha", text, null, null, question),
        new TokenizingOptions("model", BosPolicy.AUTO, 10, onTooLong, 200, 3),
        NONE,
        whole -> whole.chars().toArray(),
        more -> more.chars().map(c -> c + 1).toArray());
  }

  @Test
  void questionAndAnswerCountForTheLength() {
    TokenizedDocument fits = ask("abcd", "ab?", OnTooLong.FAIL);
    assertThat(fits.status()).isEqualTo(DocumentStatus.OK);
    assertThat(fits.tokenIds()).containsExactly(97, 98, 99, 100);
    assertThat(fits.question().text()).isEqualTo("ab?");
    assertThat(fits.question().tokenIds()).containsExactly(98, 99, 64);
    assertThat(DocumentSummary.of(fits).questionTokens()).isEqualTo(3);

    String tooLong =
        "has 5 tokens, and its question 3, with an answer of up to 3, more than --max-tokens 10";
    assertThat(ask("abcde", "ab?", OnTooLong.FAIL).error()).startsWith(tooLong + "; raise that");
    assertThat(ask("abcde", "ab?", OnTooLong.SKIP).error()).isEqualTo(tooLong);
    TokenizedDocument cut = ask("abcde", "ab?", OnTooLong.TRUNCATE);
    assertThat(cut.status()).isEqualTo(DocumentStatus.TRUNCATED);
    assertThat(cut.error()).isEqualTo(tooLong + "; the last 1 were cut");
    assertThat(cut.tokenIds()).containsExactly(97, 98, 99, 100);
    assertThat(cut.question().tokenIds()).hasSize(3);
    TokenizedDocument nothingLeft = ask("a", "abcdefg", OnTooLong.TRUNCATE);
    assertThat(nothingLeft.status()).isEqualTo(DocumentStatus.FAILED);
    assertThat(nothingLeft.error()).contains("its question 7", "nothing of the document");
  }

  @Test
  void questionsAreCheckedAsDocumentsAre() {
    assertThat(ask("abc", "", OnTooLong.FAIL).error())
        .isEqualTo("Cannot tokenise file: its question gives no tokens");
    assertThat(ask("abc", "\u00c8", OnTooLong.FAIL).error())
        .contains("token id 201 at position 0", "vocabulary of 200");
  }

  @Test
  void givenTokenIdsAreCheckedAgainstTheVocabulary() {
    int[] ids = {0, 199, 200};
    Document document = new Document("id", "file", "sha", null, ids, null);
    assertThat(tokenize(document, OnTooLong.FAIL).error())
        .isEqualTo(
            "Cannot pre-fill file: token id 200 at position 2 is not in the model's "
                + "vocabulary of 200; was it made for another model?");
    ids[2] = 5;
    assertThat(tokenize(document, OnTooLong.FAIL).tokenIds()).containsExactly(0, 199, 5);
  }

  @Test
  void errorsStayWithTheirDocument() {
    Document unread = new Document("id", "file", "sha", null, null, "Cannot read file: broken");
    assertThat(tokenize(unread, OnTooLong.FAIL).error()).isEqualTo("Cannot read file: broken");
    assertThat(tokenize(text(""), OnTooLong.FAIL).error()).contains("gives no tokens");
    TokenizedDocument thrown =
        Tokenizing.tokenize(
            text("x"),
            options(OnTooLong.FAIL),
            NONE,
            text -> {
              throw new IllegalStateException("no such thing");
            },
            text -> new int[0]);
    assertThat(thrown.status()).isEqualTo(DocumentStatus.FAILED);
    assertThat(thrown.error()).isEqualTo("Cannot tokenise file: no such thing");
  }

  @Test
  void errorsOfTheJvmAreNotTheDocuments() {
    OutOfMemoryError error = new OutOfMemoryError("Java heap space");
    assertThatThrownBy(
            () ->
                Tokenizing.tokenize(
                    text("x"),
                    options(OnTooLong.FAIL),
                    NONE,
                    text -> {
                      throw error;
                    },
                    text -> new int[0]))
        .isSameAs(error);
  }

  @Test
  void whatIsDoneIsNotTokenisedAgain() {
    TokenizedDocument done =
        Tokenizing.tokenize(
            text("x"),
            options(OnTooLong.FAIL),
            (docId, sha) -> docId.equals("id") && sha.equals("sha"),
            text -> {
              throw new AssertionError("tokenised");
            },
            text -> new int[0]);
    assertThat(DocumentSummary.of(done).isDone()).isTrue();
    assertThat(DocumentSummary.of(done).isToPrefill()).isFalse();
  }

  @Test
  void documentsThroughSpark(@TempDir Path folder) throws Exception {
    Path model = needle();
    String story = "It was a dark and stormy night. ".repeat(50);
    TestSpark.write(
        folder.resolve("a.jsonl"),
        "{\"doc_id\":\"story\",\"text\":\""
            + story
            + "\"}\n"
            + "broken\n"
            + "{\"doc_id\":\"ids\",\"token_ids\":[1,2,3]}\n"
            + "{\"doc_id\":\"foreign\",\"token_ids\":[1,2048]}\n"
            + "{\"doc_id\":\"done\",\"text\":\"x\"}\n"
            + "{\"doc_id\":\"story\",\"text\":\"again\"}\n"
            + "{\"doc_id\":\"done\",\"text\":\"other\"}\n");
    TokenizingOptions options =
        new TokenizingOptions(model.toString(), BosPolicy.AUTO, 32_768, OnTooLong.FAIL, 2048);
    String doneSha = DocumentText.of("x").sha256();
    JavaSparkContext spark = JavaSparkContext.fromSparkContext(TestSpark.session().sparkContext());
    int persistedBefore = spark.getPersistentRDDs().size();
    var read = Documents.read(TestSpark.session(), TestSpark.input(folder, "jsonl"));
    try (TextTokenizer direct = TextTokenizer.open(model, BosPolicy.AUTO);
        TokenizedCorpus corpus =
            TokenizedCorpus.whole(
                Tokenizing.tokenize(
                    read, options, (id, sha) -> id.equals("done") && sha.equals(doneSha)))) {
      List<DocumentSummary> found = corpus.summaries();
      int[] expected = direct.encode(story);
      assertThat(found)
          .extracting(DocumentSummary::tokenCount)
          .containsExactly(expected.length, 0, 3, 0, 0, 0, 0);
      assertThat(found.get(1).error()).contains("corrupt JSON");
      assertThat(found.get(3).error()).contains("token id 2048 at position 1");
      assertThat(found.get(4).isDone()).isTrue();
      assertThat(found.get(5).error()).startsWith("duplicate doc_id 'story': also in file:");
      assertThat(found.get(6).error()).startsWith("duplicate doc_id 'done': also in file:");

      List<PlannedWave> plan = Packing.waves(found, new CostModel(1.4e-4, 9e-8, 0.02), 2, 1, 1e6);
      List<byte[]> packed = corpus.pack(plan).wave(0).map(JavaBytes::of).collect();
      assertThat(packed).hasSize(2);
      TokenizedDocument first = JavaBytes.read(packed.get(0), TokenizedDocument.class);
      assertThat(first.docId()).isEqualTo("story");
      assertThat(first.tokenIds()).isEqualTo(expected);
    }
    assertThat(spark.getPersistentRDDs()).hasSize(persistedBefore);
  }

  private static Path needle() {
    return Path.of(System.getProperty("sparsefill.root"), "conf", "models", "needle-2m");
  }
}
