package io.sparsefill.udf.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.RopeTable;
import io.sparsefill.udf.SharedMaterial;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Keys and values of the first layer, straight from config and weights by plain loops, against what
 * transformers stored: embedding, norm, projection, bias, head norm and RoPE of every family,
 * without an engine. Which precision the oracle's frequencies had is not stored, so one of the two
 * must give its keys at every length.
 */
class LayerZeroTest {
  private static final double TOLERANCE = 1e-5;

  @Test
  void keysAndValuesOfTheFirstLayerAreThoseOfTransformers() throws IOException {
    for (Path model : SharedMaterial.goldenModels()) {
      Safetensors golden = Safetensors.open(model.resolve("golden.safetensors"));
      Checkpoint checkpoint = Checkpoint.open(model);
      double best = Double.MAX_VALUE;
      for (RopeFrequencies frequencies : RopeFrequencies.values()) {
        best = Math.min(best, worstDistance(checkpoint, golden, frequencies));
      }
      assertThat(best).as("worst relative distance of %s", model).isLessThan(TOLERANCE);
    }
  }

  private static double worstDistance(
      Checkpoint checkpoint, Safetensors golden, RopeFrequencies frequencies) {
    List<Double> distances = new ArrayList<>();
    for (String name : golden.names()) {
      if (name.startsWith("k.0.")) {
        String tokens = name.substring("k.0.".length());
        int[] ids = golden.ints("ids." + tokens);
        // a sliding window keeps the last positions only
        int kept = Math.toIntExact(golden.shape(name).get(1));
        RopeTable rope = checkpoint.config().rope().table(ids.length, frequencies);
        float[][] kv = firstLayer(checkpoint, rope, ids, ids.length - kept);
        distances.add(distance(kv[0], ChatGlmFolder.values(golden.matrix(name))));
        distances.add(distance(kv[1], ChatGlmFolder.values(golden.matrix("v.0." + tokens))));
      }
    }
    return Collections.max(distances);
  }

  /** K after RoPE and V of layer 0 from position {@code from} on, each [G][n][D]. */
  private static float[][] firstLayer(Checkpoint checkpoint, RopeTable rope, int[] ids, int from) {
    ModelConfig config = checkpoint.config();
    LayerWeights layer = checkpoint.layer(0);
    int hidden = config.hiddenSize();
    int dim = config.headDim();
    int groups = config.kvHeads();
    float[] norm = ChatGlmFolder.values(layer.inputNorm());
    float[] qkv = ChatGlmFolder.values(layer.qkv());
    float[] bias = layer.qkvBias() == null ? null : ChatGlmFolder.values(layer.qkvBias());
    int n = ids.length - from;
    float[][] kv = new float[2][groups * n * dim];
    float[] x = new float[hidden];
    for (int t = from; t < ids.length; t++) {
      checkpoint.embedding().read(ids[t], 1, x, 0);
      normalise(x, norm, config.normEps());
      for (int g = 0; g < 2 * groups; g++) {
        float[] head = new float[dim];
        for (int d = 0; d < dim; d++) {
          int row = (config.heads() + g) * dim + d;
          double sum = bias == null ? 0 : bias[row];
          for (int i = 0; i < hidden; i++) {
            sum += (double) qkv[row * hidden + i] * x[i];
          }
          head[d] = (float) sum;
        }
        if (g < groups) {
          if (layer.kNorm() != null) {
            normalise(head, ChatGlmFolder.values(layer.kNorm()), config.normEps());
          }
          rotate(head, rope, t);
        }
        System.arraycopy(head, 0, kv[g / groups], (g % groups * n + t - from) * dim, dim);
      }
    }
    return kv;
  }

  private static void normalise(float[] x, float[] weight, double eps) {
    double sum = 0;
    for (float value : x) {
      sum += (double) value * value;
    }
    double scale = 1 / Math.sqrt(sum / x.length + eps);
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (x[i] * scale * weight[i]);
    }
  }

  private static void rotate(float[] head, RopeTable rope, int position) {
    int pairs = rope.inverseFrequency().length;
    for (int i = 0; i < pairs; i++) {
      int a = rope.interleaved() ? 2 * i : i;
      int b = rope.interleaved() ? 2 * i + 1 : i + pairs;
      double angle = position * rope.inverseFrequency()[i];
      double cos = Math.cos(angle) * rope.attentionScaling();
      double sin = Math.sin(angle) * rope.attentionScaling();
      double first = head[a] * cos - head[b] * sin;
      head[b] = (float) (head[b] * cos + head[a] * sin);
      head[a] = (float) first;
    }
  }

  /** Frobenius norm of the difference, relative to that of the expected values. */
  private static double distance(float[] actual, float[] expected) {
    assertThat(actual).hasSameSizeAs(expected);
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < actual.length; i++) {
      difference += Math.pow((double) actual[i] - expected[i], 2);
      norm += Math.pow(expected[i], 2);
    }
    return Math.sqrt(difference / norm);
  }
}
