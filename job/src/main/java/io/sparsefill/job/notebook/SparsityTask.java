package io.sparsefill.job.notebook;

import io.sparsefill.job.JavaBytes;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.attention.AttentionPlan;
import io.sparsefill.kernels.attention.TileIndex;
import io.sparsefill.udf.EngineLease;
import io.sparsefill.udf.EngineOptions;
import io.sparsefill.udf.ExecutorEngines;
import io.sparsefill.udf.HeadFidelity;
import io.sparsefill.udf.LayerObserver;
import io.sparsefill.udf.ObservedLayer;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.api.java.function.Function;

/**
 * Looks at one document on an executor: serialised token ids in, a serialised {@link Found} out.
 */
final class SparsityTask implements Function<byte[], byte[]> {
  private static final long serialVersionUID = 1L;

  private final EngineOptions engine;
  private final ArrayList<HeadName> pictured;

  SparsityTask(EngineOptions engine, List<HeadName> pictured) {
    this.engine = engine;
    this.pictured = new ArrayList<>(pictured);
  }

  /** All heads, layer by layer, and the pictures that were asked for. */
  record Found(ArrayList<HeadSparsity> heads, ArrayList<TilePicture> pictures)
      implements Serializable {
    private static final long serialVersionUID = 1L;
  }

  @Override
  public byte[] call(byte[] tokens) throws Exception {
    try (EngineLease lease = ExecutorEngines.ofThisJvm().lease(engine)) {
      AttentionPlan plan =
          AttentionPlan.parse(
              engine.attention(),
              engine.patternsJson(),
              lease.config().layers(),
              lease.config().heads());
      Look look = new Look(plan, lease.config().layers());
      lease.observe(JavaBytes.read(tokens, int[].class), look);
      return JavaBytes.of(look.found);
    }
  }

  /** Tries the plan's patterns on every layer of the dense walk. */
  private final class Look implements LayerObserver {
    private final AttentionPlan plan;
    private final int layers;
    private final Found found = new Found(new ArrayList<>(), new ArrayList<>());

    Look(AttentionPlan plan, int layers) {
      this.plan = plan;
      this.layers = layers;
    }

    @Override
    public List<List<HeadPattern>> largest(AttentionShape shape) {
      return IntStream.range(0, layers).mapToObj(plan::layer).toList();
    }

    @Override
    public void layer(ObservedLayer layer) {
      List<HeadPattern> patterns = plan.layer(layer.number());
      AttentionShape shape = layer.shape();
      long causal = TileIndex.causalTiles(shape, 0) / shape.heads();
      List<HeadFidelity> heads = layer.fidelity(patterns, plan.dispatch());
      for (int h = 0; h < heads.size(); h++) {
        found.heads.add(
            HeadSparsity.of(layer.number(), h, patterns.get(h).spelled(), causal, heads.get(h)));
      }
      for (HeadName name : pictured) {
        if (name.layer() == layer.number()) {
          found.pictures.add(
              TilePicture.of(
                  name.layer(),
                  name.head(),
                  shape.tokens(),
                  layer.keys(patterns, plan.dispatch(), name.head()),
                  TilePicture.MOST_CELLS));
        }
      }
    }
  }
}
