package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import io.sparsefill.kernels.attention.HeadTiles;
import io.sparsefill.kernels.attention.LineSelection;
import io.sparsefill.kernels.attention.TileIndex;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/** Reads an index back from the device. */
final class ReadIndex {
  private ReadIndex() {}

  /** Ints of device memory, {@code offset} bytes in, after all work of the device. */
  static int[] ints(DeviceMemory.Block memory, long offset, int count) {
    int[] values = new int[count];
    check(JCudaDriver.cuCtxSynchronize(), "finish all work");
    check(
        JCudaDriver.cuMemcpyDtoH(
            Pointer.to(values), memory.at(offset), (long) count * Integer.BYTES),
        "read ints");
    return values;
  }

  /** Floats of device memory, {@code offset} bytes in, after all work of the device. */
  static float[] floats(DeviceMemory.Block memory, long offset, int count) {
    int[] bits = ints(memory, offset, count);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = Float.intBitsToFloat(bits[i]);
    }
    return values;
  }

  /** The lines that were chosen for a head. */
  static LineSelection lines(IndexPlan plan, DeviceMemory.Block memory, int head) {
    IndexTable table = plan.table();
    long lines = plan.layout().lines();
    return new LineSelection(
        ints(memory, lines + 4L * table.columnsAt(head), table.columnCount(head)),
        ints(memory, lines + 4L * table.distancesAt(head), table.distanceCount(head)));
  }

  /** All lists, checked as {@link TileIndex} checks them. */
  static TileIndex tiles(CudaIndex index) {
    IndexPlan plan = index.plan();
    DeviceMemory.Block memory = index.memory();
    List<HeadTiles> heads = new ArrayList<>();
    for (int group = 0; group < index.groups(); group++) {
      DeviceLists.Lists lists = index.lists(group);
      int[] order = ints(memory, lists.headList() - memory.address(), lists.heads());
      for (int i = 0; i < lists.heads(); i++) {
        if (order[i] != heads.size()) {
          throw new AssertionError("Head %d follows %d others".formatted(order[i], heads.size()));
        }
        heads.add(head(plan, memory, lists, i));
      }
    }
    return TileIndex.of(plan.shape(), plan.firstTile(), heads);
  }

  private static HeadTiles head(
      IndexPlan plan, DeviceMemory.Block memory, DeviceLists.Lists lists, int i) {
    int queryTiles = plan.queryTiles();
    long at = lists.rows() - memory.address() + 16L * i * queryTiles;
    int[] rows = ints(memory, at, 4 * queryTiles);
    HeadTiles head = new HeadTiles(true);
    for (int row = 0; row < queryTiles; row++) {
      long runsAt = lists.runs() - memory.address() + 8L * rows[4 * row];
      int[] runs = ints(memory, runsAt, 2 * rows[4 * row + 1]);
      for (int run = 0; run < runs.length; run += 2) {
        head.run(runs[run], runs[run + 1]);
      }
      long columnsAt = lists.columns() - memory.address() + 4L * rows[4 * row + 2];
      for (int key : ints(memory, columnsAt, rows[4 * row + 3])) {
        head.column(key);
      }
      head.endTile((plan.firstTile() + row) * TileIndex.TILE);
    }
    return head;
  }
}
