package io.sparsefill.job.command;

import io.sparsefill.job.command.DemoDocuments.Answer;
import io.sparsefill.job.command.DemoDocuments.Generated;
import io.sparsefill.udf.text.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Where one answer stands among its document's tokens.
 *
 * @param docId the document
 * @param text the answer
 * @param documentTokens T
 * @param firstToken position of the answer's first token; the row of logits before it predicts it
 * @param tokenIds the answer's tokens
 */
record DemoAnswer(
    String docId, String text, int documentTokens, int firstToken, List<Integer> tokenIds) {

  /**
   * All answers of all documents.
   *
   * @throws IllegalStateException if tokens run across the border of question and answer, which
   *     would hide a hit
   */
  static List<DemoAnswer> locate(List<Generated> documents, TextTokenizer tokenizer) {
    List<DemoAnswer> answers = new ArrayList<>();
    for (Generated document : documents) {
      int[] tokens = tokenizer.encode(document.text());
      for (Answer answer : document.answers()) {
        int first = tokensOf(document, answer.start(), tokens, tokenizer);
        int end = tokensOf(document, answer.end(), tokens, tokenizer);
        answers.add(
            new DemoAnswer(
                document.id(),
                answer.text(),
                tokens.length,
                first,
                Arrays.stream(tokens, first, end).boxed().toList()));
      }
    }
    return answers;
  }

  private static int tokensOf(
      Generated document, int characters, int[] tokens, TextTokenizer tokenizer) {
    int[] prefix = tokenizer.encode(document.text().substring(0, characters));
    if (!Arrays.equals(prefix, 0, prefix.length, tokens, 0, prefix.length)) {
      throw new IllegalStateException(
          "Cannot check the answers of demo document '"
              + document.id()
              + "': this model's tokenizer joins a question and its answer in one token");
    }
    return prefix.length;
  }

  /**
   * How many of the last positions need logits, so that every answer's tokens are predicted by a
   * row.
   */
  static int lastPositions(List<DemoAnswer> answers) {
    return answers.stream()
        .mapToInt(answer -> answer.documentTokens() - answer.firstToken() + 1)
        .max()
        .orElseThrow();
  }
}
