package io.sparsefill.udf;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.PatternTable;
import io.sparsefill.udf.search.Budget;
import io.sparsefill.udf.search.Candidate;
import io.sparsefill.udf.search.CostMatching;
import io.sparsefill.udf.search.HeadScore;
import io.sparsefill.udf.search.PatternChoice;
import io.sparsefill.udf.search.SampleSearch;
import io.sparsefill.udf.search.Trial;
import io.sparsefill.udf.text.BosPolicy;
import io.sparsefill.udf.text.TextTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The search on a trained model, seen from a document that it did not see: its table comes nearer
 * to dense attention than vertical-slash of any one ratio that computes as many tiles, and nearer
 * still where heads share the tiles. What is compared is what the search goes by: the mean of each
 * head's larger error, or the errors of the layers.
 */
class SearchedPatternsTest {
  private static final int TOKENS = 4_000;
  private static final double DENSITY = 0.2;

  @Test
  void aSearchedTableHasASmallerErrorThanAnyUniformVerticalSlashOfTheSameTiles() throws Exception {
    Path model = SharedMaterial.model("needle-2m");
    List<Candidate> candidates = Candidate.parse(Candidate.DEFAULT_SPACE);
    Budget target = new Budget(DENSITY, 0.03, List.of(DENSITY));
    List<Trial> trials = Trial.of(candidates, target.levels());
    try (Engine engine = Engine.open(TestOptions.of(model).emit(Emit.HIDDEN).threads(2).build())) {
      SampleSearch search = new SampleSearch(trials, new CostMatching(0.03));
      engine.observe(tokens(model, 11), search);
      PatternChoice choice = PatternChoice.of(List.of(List.of(search.scores())), trials, target);
      PatternTable table = choice.table();
      int layers = engine.config().layers();
      int heads = engine.config().heads();
      for (int l = 0; l < layers; l++) {
        assertThat(choice.layer(l))
            .hasSize(heads)
            .allSatisfy(
                head -> assertThat(head.density()).isBetween(0.8 * DENSITY, 1.03 * DENSITY));
      }
      PatternTable again = PatternTable.parse(table.toJson(), layers, heads);
      for (int l = 0; l < layers; l++) {
        assertThat(again.layer(l)).isEqualTo(table.layer(l));
      }

      int[] unseen = tokens(model, 12);
      Measured searched = new Measured(table);
      engine.observe(unseen, searched);
      List<Candidate> uniform =
          candidates.stream().filter(c -> c.kind() == Candidate.Kind.VERTICAL_SLASH).toList();
      SampleSearch others =
          new SampleSearch(Trial.of(uniform, List.of(searched.density())), new CostMatching(0.02));
      engine.observe(unseen, others);
      System.out.printf("searched: error %.4f at %.4f%n", searched.error(), searched.density());
      for (int c = 0; c < uniform.size(); c++) {
        int number = c;
        List<HeadScore> scores =
            others.scores().stream().filter(score -> score.trial() == number).toList();
        double error =
            scores.stream()
                .mapToDouble(score -> Math.max(score.error(), score.lastError()))
                .average()
                .orElseThrow();
        double density =
            scores.stream()
                .mapToDouble(score -> (double) score.tiles() / score.causalTiles())
                .average()
                .orElseThrow();
        System.out.printf("%s: error %.4f at %.4f%n", uniform.get(c).name(), error, density);
        assertThat(density).isGreaterThan(0.95 * searched.density());
        assertThat(searched.error()).as(uniform.get(c).name()).isLessThan(error);
      }
    }
  }

  @Test
  void headsThatShareTheTilesHaveASmallerErrorThanHeadsThatAllComputeAsMany() throws Exception {
    Path model = SharedMaterial.model("needle-2m");
    List<Candidate> candidates =
        Candidate.parse("vertical-slash:100:1800,vertical-slash:3000:200,block-sparse");
    Budget shared = Budget.of(DENSITY, 0.03, List.of(0.5, 1.0, 2.0), 0);
    List<Trial> trials = Trial.of(candidates, shared.levels());
    try (Engine engine = Engine.open(TestOptions.of(model).emit(Emit.HIDDEN).threads(2).build())) {
      SampleSearch search = new SampleSearch(trials, new CostMatching(0.03));
      engine.observe(tokens(model, 11), search);
      List<List<List<HeadScore>>> scores = List.of(List.of(search.scores()));
      Budget uniform = new Budget(DENSITY, 0.03, List.of(DENSITY));
      Measured same = new Measured(PatternChoice.of(scores, trials, uniform).table());
      Measured different = new Measured(PatternChoice.of(scores, trials, shared).table());
      int[] unseen = tokens(model, 12);
      engine.observe(unseen, same);
      engine.observe(unseen, different);
      System.out.printf("the same: error %.4f at %.4f%n", same.layerError(), same.density());
      System.out.printf("shared: %.4f at %.4f%n", different.layerError(), different.density());
      assertThat(different.density()).isLessThan(same.density());
      assertThat(different.layerError()).isLessThan(same.layerError());
    }
  }

  private static int[] tokens(Path model, long seed) {
    try (TextTokenizer tokenizer = TextTokenizer.open(model, BosPolicy.AUTO)) {
      return tokenizer.encode(KeyValuePrompt.of(TOKENS, seed).prompt());
    }
  }

  /** A table on a document. */
  private static final class Measured implements LayerObserver {
    private final PatternTable table;
    private final List<HeadFidelity> heads = new ArrayList<>();
    private long causalTiles;

    Measured(PatternTable table) {
      this.table = table;
    }

    @Override
    public List<List<HeadPattern>> largest(AttentionShape shape) {
      return Collections.nCopies(1, patterns(0));
    }

    @Override
    public void layer(ObservedLayer layer) {
      heads.addAll(layer.fidelity(patterns(layer.number()), false));
      causalTiles = CostMatching.causalTiles(layer.shape());
    }

    private List<HeadPattern> patterns(int layer) {
      return table.layer(layer).stream().map(PatternTable.Entry::toPattern).toList();
    }

    double error() {
      return heads.stream()
          .mapToDouble(head -> Math.max(head.error(), head.lastError()))
          .average()
          .orElseThrow();
    }

    /** What is kept small where heads share: squared errors of layers' outputs, summed. */
    double layerError() {
      return heads.stream()
          .mapToDouble(
              head ->
                  head.share() * head.error() * head.error()
                      + head.lastShare() * head.lastError() * head.lastError())
          .sum();
    }

    double density() {
      return heads.stream().mapToDouble(HeadFidelity::tiles).average().orElseThrow() / causalTiles;
    }
  }
}
