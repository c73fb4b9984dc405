package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.AttentionCost;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.TileKeys;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/** An index that a test made on the host, in device memory: any lists, from no pattern. */
final class UploadedLists implements DeviceLists {
  private final TileIndex tiles;
  private final DeviceMemory.Block rows;
  private final DeviceMemory.Block runs;
  private final DeviceMemory.Block columns;
  private final DeviceMemory.Block heads;

  UploadedLists(TileIndex tiles, DeviceMemory device) {
    this.tiles = tiles;
    TileLists lists = TileLists.of(tiles);
    rows = upload(lists.rows(), device);
    runs = upload(lists.runs(), device);
    columns = upload(lists.columns(), device);
    int[] order = new int[tiles.shape().heads()];
    for (int head = 0; head < order.length; head++) {
      order[head] = head;
    }
    heads = upload(order, device);
  }

  private static DeviceMemory.Block upload(int[] values, DeviceMemory device) {
    long bytes = (long) values.length * Integer.BYTES;
    DeviceMemory.Block block = device.allocate(bytes, "a test's lists");
    check(JCudaDriver.cuMemcpyHtoD(block.at(0), Pointer.to(values), bytes), "copy a test's lists");
    return block;
  }

  @Override
  public AttentionShape shape() {
    return tiles.shape();
  }

  @Override
  public int firstTile() {
    return tiles.firstTile();
  }

  @Override
  public int groups() {
    return 1;
  }

  @Override
  public Lists lists(int group) {
    return new Lists(
        tiles.shape().heads(), rows.address(), runs.address(), columns.address(), heads.address());
  }

  @Override
  public void attended() {}

  @Override
  public AttentionCost cost() {
    throw new UnsupportedOperationException("a test knows what its lists cost");
  }

  @Override
  public long[] headTiles() {
    return tiles.headTiles();
  }

  @Override
  public TileKeys keys(int head, int tile) {
    return tiles.keys(head, tile);
  }

  @Override
  public List<HeadPattern.GivenLines> lines() {
    throw new UnsupportedOperationException("a test's lists are of no pattern");
  }

  @Override
  public void close() {
    rows.close();
    runs.close();
    columns.close();
    heads.close();
  }
}
