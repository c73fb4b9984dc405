package io.sparsefill.job;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;

/**
 * Objects as bytes by Java serialisation, for everything that goes through Spark's data path
 * (shuffles, persisted blocks, collected results). Spark serialises that with {@code
 * spark.serializer}, which many clusters set to Kryo, and Spark's Kryo cannot handle records.
 */
public final class JavaBytes {
  private JavaBytes() {}

  /** Serialises an object. */
  public static byte[] of(Serializable object) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(object);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "Cannot serialise a %s".formatted(object.getClass().getName()), e);
    }
    return bytes.toByteArray();
  }

  /** The object that {@link #of} serialised. */
  public static <T extends Serializable> T read(byte[] bytes, Class<T> type) {
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
      return type.cast(in.readObject());
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot deserialise a %s".formatted(type.getName()), e);
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException("Cannot deserialise a %s".formatted(type.getName()), e);
    }
  }
}
