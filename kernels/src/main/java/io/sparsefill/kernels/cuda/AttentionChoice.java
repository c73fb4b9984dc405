package io.sparsefill.kernels.cuda;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Which attention kernels run: those for every GPU, or those with the products of Hopper. */
enum AttentionChoice {
  /** Those of sm_90a where the device and the head dimension allow it, those of sm_80 elsewhere. */
  AUTO,
  /** Those of {@code attention.cu}, which run everywhere. */
  SM_80,
  /** Those of {@code attention_sm90.cu}, or a failure. */
  SM_90A;

  /** The system property that sets it. */
  static final String PROPERTY = "sparsefill.attention";

  /** Head dimensions that there are kernels of sm_90a for. */
  static final List<Integer> SM_90A_HEAD_DIMS = List.of(64, 96, 128);

  /** The compute capability that sm_90a is for; its code runs on no other. */
  private static final int HOPPER = 90;

  private static final Logger LOG = LoggerFactory.getLogger(AttentionChoice.class);

  /**
   * What the system property says; {@link #AUTO} without it.
   *
   * @throws IllegalArgumentException if it says something else
   */
  static AttentionChoice ofProperty() {
    String value = System.getProperty(PROPERTY, "auto");
    for (AttentionChoice choice : values()) {
      if (choice.text().equals(value)) {
        return choice;
      }
    }
    throw new IllegalArgumentException(
        "Cannot choose the attention kernels: %s is '%s'; set it to %s"
            .formatted(
                PROPERTY,
                value,
                Arrays.stream(values())
                    .map(AttentionChoice::text)
                    .collect(Collectors.joining(", "))));
  }

  private String text() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The file that has the kernel for a head dimension, and logs which and why.
   *
   * @param capability the device's compute capability, as 90 for 9.0
   * @throws IllegalArgumentException if the kernel that is demanded is not written for the head
   *     dimension or does not run on the device
   */
  String file(int capability, int headDim) {
    boolean hopper = capability == HOPPER;
    boolean written = SM_90A_HEAD_DIMS.contains(headDim);
    if (this == SM_90A && !(hopper && written)) {
      throw new IllegalArgumentException(
          "Cannot run the attention kernels of sm_90a for head_dim %d on compute capability %d.%d: they are for 9.0 and head_dim %s; set %s to auto or sm_80"
              .formatted(headDim, capability / 10, capability % 10, SM_90A_HEAD_DIMS, PROPERTY));
    }
    boolean taken = this != SM_80 && hopper && written;
    LOG.info(
        "Attention with head_dim {} by the kernel of {}: {}={}, compute capability {}.{}, head_dim of sm_90a {}",
        headDim,
        taken ? "sm_90a" : "sm_80",
        PROPERTY,
        text(),
        capability / 10,
        capability % 10,
        SM_90A_HEAD_DIMS);
    return taken ? "attention_sm90" : "attention";
  }
}
