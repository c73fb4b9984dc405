package io.sparsefill.udf;

/**
 * Takes the KV blocks of one document while its pre-fill goes on: layer by layer, inside a layer
 * block by block. It is called on a thread of the engine's; a sink that is slow holds the pre-fill
 * back once two layers are in flight. After it has thrown it gets no more blocks of the document.
 *
 * <p>When the pre-fill fails elsewhere, the call under way is waited for; it is interrupted only
 * when the thread that runs the pre-fill is.
 */
@FunctionalInterface
public interface KvSink {
  /**
   * Takes one block.
   *
   * @throws Exception to end the pre-fill of this document; the pre-fill throws it on
   */
  void accept(KvBlock block) throws Exception;
}
