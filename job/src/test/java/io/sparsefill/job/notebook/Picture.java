package io.sparsefill.job.notebook;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/** A picture that a notebook has drawn, looked at pixel by pixel. */
record Picture(BufferedImage image) {
  static Picture read(Path file) throws IOException {
    assertThat(file).exists();
    return new Picture(ImageIO.read(file.toFile()));
  }

  int width() {
    return image.getWidth();
  }

  int height() {
    return image.getHeight();
  }

  /** Whether a pixel has a colour, within what smoothing of a PNG's colours does. */
  boolean is(int x, int y, int colour) {
    int found = image.getRGB(x, y);
    int most = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
      most = Math.max(most, Math.abs((found >> shift & 255) - (colour >> shift & 255)));
    }
    return most <= 3;
  }

  /** Share of the pixels that have a colour. */
  double share(int colour) {
    long count = 0;
    for (int y = 0; y < height(); y++) {
      for (int x = 0; x < width(); x++) {
        count += is(x, y, colour) ? 1 : 0;
      }
    }
    return (double) count / width() / height();
  }

  /**
   * The smallest frame around all areas of a colour: left, top, right, bottom, all inside.
   *
   * @param reach a pixel counts if those so far away in the four diagonal directions have the
   *     colour too; 0 for thin lines, 2 where smoothed letters have pixels of that colour
   */
  int[] frame(int colour, int reach) {
    int[] frame = {width(), height(), -1, -1};
    for (int y = reach; y < height() - reach; y++) {
      for (int x = reach; x < width() - reach; x++) {
        if (is(x, y, colour)
            && is(x - reach, y - reach, colour)
            && is(x + reach, y - reach, colour)
            && is(x - reach, y + reach, colour)
            && is(x + reach, y + reach, colour)) {
          frame[0] = Math.min(frame[0], x);
          frame[1] = Math.min(frame[1], y);
          frame[2] = Math.max(frame[2], x);
          frame[3] = Math.max(frame[3], y);
        }
      }
    }
    return frame;
  }
}
