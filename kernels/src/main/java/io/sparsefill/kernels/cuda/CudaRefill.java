package io.sparsefill.kernels.cuda;

import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Refill;
import io.sparsefill.kernels.Tensor;

/** Two events keep the turns between the operators' stream and that of the uploads. */
final class CudaRefill implements Refill {
  private final CudaContext context;
  private final CudaStream computing;
  private final MatrixUploads uploads;
  private final CudaStream.Event filled = new CudaStream.Event();
  private final CudaStream.Event read = new CudaStream.Event();

  CudaRefill(CudaContext context, CudaStream computing, MatrixUploads uploads) {
    this.context = context;
    this.computing = computing;
    this.uploads = uploads;
    // The tensors' memory may have held something else that operators still read.
    computing.record(read);
  }

  @Override
  public void fill(HostMatrix matrix, Tensor target) {
    CudaTensor tensor = CudaTensor.of(target, matrix.rows(), matrix.cols(), "what is overwritten");
    context.enter();
    uploads.stream().await(read);
    uploads.send(matrix, tensor);
    uploads.stream().record(filled);
  }

  @Override
  public void use() {
    context.enter();
    computing.await(filled);
  }

  @Override
  public void done() {
    context.enter();
    computing.record(read);
  }

  @Override
  public void close() {
    context.enter();
    filled.synchronize("an upload");
    filled.close();
    read.close();
  }
}
