package io.sparsefill.job.eval;

import io.sparsefill.job.TokenizedDocument;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.HeadFidelity;
import io.sparsefill.udf.LayerObserver;
import io.sparsefill.udf.ObservedLayer;
import io.sparsefill.udf.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** Tries modes on every layer of a document's dense walk, so that errors do not add up. */
final class LayerErrors implements LayerObserver {
  private final TokenizedDocument document;
  private final List<AttentionPlan> plans = new ArrayList<>();
  private final List<LayerRow> rows = new ArrayList<>();
  private final int layers;

  /** For modes on a document. */
  LayerErrors(TokenizedDocument document, List<EvalMode> modes, ModelConfig config) {
    this.document = document;
    this.layers = config.layers();
    for (EvalMode mode : modes) {
      EngineOptions options = mode.measuring();
      plans.add(
          AttentionPlan.parse(
              options.attention(), options.patternsJson(), config.layers(), config.heads()));
    }
  }

  @Override
  public List<List<HeadPattern>> largest(AttentionShape shape) {
    List<List<HeadPattern>> all = new ArrayList<>();
    for (AttentionPlan plan : plans) {
      for (int l = 0; l < layers; l++) {
        all.add(plan.layer(l));
      }
    }
    return all;
  }

  @Override
  public void layer(ObservedLayer layer) {
    for (AttentionPlan plan : plans) {
      List<HeadFidelity> heads = layer.fidelity(plan.layer(layer.number()), plan.dispatch());
      rows.add(
          new LayerRow(
              document.docId(),
              document.contentSha256(),
              plan.name(),
              layer.number(),
              mean(heads, HeadFidelity::error),
              mean(heads, HeadFidelity::lastError),
              mean(heads, HeadFidelity::recall)));
    }
  }

  private static double mean(List<HeadFidelity> heads, ToDoubleFunction<HeadFidelity> value) {
    return heads.stream().mapToDouble(value).average().orElseThrow();
  }

  /** Layer by layer, of one mode. */
  List<LayerRow> of(EvalMode mode) {
    return rows.stream().filter(row -> row.mode().equals(mode.name())).toList();
  }
}
