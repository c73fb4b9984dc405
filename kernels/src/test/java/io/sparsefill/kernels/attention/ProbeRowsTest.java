package io.sparsefill.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.kernels.AttentionShape;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Oracle: what the Javadoc says of rows, counted. */
class ProbeRowsTest {
  @Test
  void groupsLieApartAndBeforeTheLastRows() {
    for (int tokens : new int[] {1, 63, 64, 65, 70, 100, 576, 577, 8192, 1 << 20}) {
      for (int probes : new int[] {0, 1, 7, 8, 9, 64, 511, 512}) {
        AttentionShape shape = new AttentionShape(tokens, 1, 1, 64, 1, 0);
        List<ProbeRows> groups = ProbeRows.along(shape, probes);
        int last = ProbeRows.last(tokens).first();
        int end = 0;
        int count = 0;
        for (ProbeRows rows : groups) {
          assertThat(rows.first()).isGreaterThanOrEqualTo(end);
          assertThat(rows.count()).isBetween(1, 64);
          end = rows.first() + rows.count();
          count += rows.count();
        }
        assertThat(end).as("%d tokens", tokens).isLessThanOrEqualTo(last);
        assertThat(groups).hasSizeLessThanOrEqualTo(8);
        assertThat(count)
            .as("%d of %d tokens", probes, tokens)
            .isLessThanOrEqualTo(probes)
            .isGreaterThanOrEqualTo(Math.min(probes, last) == probes && last >= 576 ? probes : 0);
      }
    }
  }

  @Test
  void eachGroupLiesInTheMiddleOfAnEighth() {
    AttentionShape shape = new AttentionShape(8256, 1, 1, 64, 1, 0);
    List<ProbeRows> groups = ProbeRows.along(shape, 64);
    assertThat(groups).hasSize(8);
    assertThat(groups.get(0)).isEqualTo(new ProbeRows(508, 8));
    assertThat(groups.get(7)).isEqualTo(new ProbeRows(7 * 1024 + 508, 8));
    assertThat(ProbeRows.last(8256)).isEqualTo(new ProbeRows(8192, 64));
  }
}
