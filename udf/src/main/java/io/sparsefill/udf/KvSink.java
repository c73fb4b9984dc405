package io.sparsefill.udf;

/**
 * Takes the KV blocks of one document while its pre-fill goes on: layer by layer, inside a layer
 * block by block. It is called on a thread of the engine's; a sink that is slow holds the pre-fill
 * back once two layers are in flight.
 */
@FunctionalInterface
public interface KvSink {
  /**
   * Takes one block.
   *
   * @throws Exception to end the pre-fill of this document; {@link Prefill#run} throws it on
   */
  void accept(KvBlock block) throws Exception;
}
