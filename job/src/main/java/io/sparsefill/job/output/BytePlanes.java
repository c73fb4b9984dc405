package io.sparsefill.job.output;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Numbers of 16 bits with their bytes apart: the lower bytes of all, then the upper ones. Sign and
 * exponent lie in the upper byte and hardly differ among neighbours; side by side they compress,
 * between the noise of the lower bytes they do not.
 */
public final class BytePlanes {
  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle INTS =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private BytePlanes() {}

  /**
   * The planes of little-endian numbers.
   *
   * @throws IllegalArgumentException when the number of bytes is odd
   */
  public static byte[] split(byte[] numbers) {
    int count = count(numbers);
    byte[] planes = new byte[numbers.length];
    int i = 0;
    // Four numbers at a time.
    for (; i + 4 <= count; i += 4) {
      long x = (long) LONGS.get(numbers, 2 * i);
      INTS.set(planes, i, evenBytes(x));
      INTS.set(planes, count + i, evenBytes(x >>> 8));
    }
    for (; i < count; i++) {
      planes[i] = numbers[2 * i];
      planes[count + i] = numbers[2 * i + 1];
    }
    return planes;
  }

  /**
   * The little-endian numbers of planes, what {@link #split} was given.
   *
   * @throws IllegalArgumentException when the number of bytes is odd
   */
  public static byte[] join(byte[] planes) {
    int count = count(planes);
    byte[] numbers = new byte[planes.length];
    int i = 0;
    for (; i + 4 <= count; i += 4) {
      long low = spread((int) INTS.get(planes, i));
      long high = spread((int) INTS.get(planes, count + i));
      LONGS.set(numbers, 2 * i, low | high << 8);
    }
    for (; i < count; i++) {
      numbers[2 * i] = planes[i];
      numbers[2 * i + 1] = planes[count + i];
    }
    return numbers;
  }

  private static int count(byte[] bytes) {
    if (bytes.length % 2 != 0) {
      throw new IllegalArgumentException(
          "Cannot take %,d bytes for numbers of two".formatted(bytes.length));
    }
    return bytes.length / 2;
  }

  /** Bytes 0, 2, 4 and 6. */
  private static int evenBytes(long x) {
    long pairs = x & 0x00ff00ff00ff00ffL;
    pairs = (pairs | pairs >>> 8) & 0x0000ffff0000ffffL;
    return (int) (pairs | pairs >>> 16);
  }

  /** Four bytes as bytes 0, 2, 4 and 6. */
  private static long spread(int x) {
    long pairs = Integer.toUnsignedLong(x);
    pairs = (pairs | pairs << 16) & 0x0000ffff0000ffffL;
    return (pairs | pairs << 8) & 0x00ff00ff00ff00ffL;
  }
}
