package io.sparsefill.job.run;

import io.sparsefill.job.AnswerRow;
import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.GreedyAnswer;
import io.sparsefill.udf.KvSink;
import io.sparsefill.udf.text.TextTokenizer;
import java.io.Serializable;
import java.util.Set;

/**
 * Lets the model answer each document's question: the question follows the document's cache, which
 * was filled as {@code --attention} says, and so does the answer, token by token, the likeliest
 * each time.
 *
 * @param maxNewTokens tokens that an answer may have
 * @param ends tokens by which the model ends one
 */
record Answering(int maxNewTokens, Set<Integer> ends) implements Serializable {

  /** How many tokens follow a document: an answer's last one need not. */
  int room(int questionTokens) {
    return questionTokens + maxNewTokens - 1;
  }

  /** Pre-fills and answers by an engine. */
  DocumentPipeline.Prefiller by(EngineLease engine, TextTokenizer tokenizer) {
    return (document, sink) -> prefill(engine, tokenizer, document, sink);
  }

  private DocumentPipeline.Prefilled prefill(
      EngineLease engine, TextTokenizer tokenizer, TokenizedDocument document, KvSink sink)
      throws Exception {
    int[] question = document.question().tokenIds();
    return engine.prefillKeeping(
        document.tokenIds(),
        sink,
        room(question.length),
        cache -> {
          float[] next = cache.extend(question, 1)[0];
          GreedyAnswer answer = GreedyAnswer.of(cache, next, maxNewTokens, ends);
          return new DocumentPipeline.Prefilled(
              cache.prefill(),
              new AnswerRow(
                  document.docId(),
                  document.question().text(),
                  tokenizer.decode(answer.tokens()),
                  answer.tokens(),
                  answer.logProbabilities(),
                  answer.ended() ? AnswerRow.EOS : AnswerRow.LENGTH));
        });
  }
}
