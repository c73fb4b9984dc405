package io.sparsefill.udf;

import java.io.Serializable;

/**
 * What {@code --backend} means on a machine.
 *
 * @param name {@code cpu} or {@code cuda}
 * @param why in words: what {@code auto} found, or that it was asked for
 */
public record BackendChoice(String name, String why) implements Serializable {
  @Override
  public String toString() {
    return name + " (" + why + ")";
  }
}
