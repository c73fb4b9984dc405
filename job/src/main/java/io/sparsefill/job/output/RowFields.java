package io.sparsefill.job.output;

import java.util.List;
import java.util.function.IntConsumer;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.Type;

/**
 * Hands the fields of one row to Parquet, in the schema's order. A null value leaves an optional
 * field out; for a required one it is an error, and so is a field out of order.
 */
final class RowFields {
  private final RecordConsumer out;
  private final GroupType schema;
  private int next;

  RowFields(RecordConsumer out, GroupType schema) {
    this.out = out;
    this.schema = schema;
  }

  RowFields text(String name, String value) {
    return field(name, value != null, () -> out.addBinary(Binary.fromString(value)));
  }

  RowFields bytes(String name, byte[] value) {
    return field(name, value != null, () -> out.addBinary(Binary.fromConstantByteArray(value)));
  }

  RowFields int32(String name, int value) {
    return field(name, true, () -> out.addInteger(value));
  }

  RowFields int64(String name, long value) {
    return field(name, true, () -> out.addLong(value));
  }

  RowFields float64(String name, Double value) {
    return field(name, value != null, () -> out.addDouble(value));
  }

  RowFields ints(String name, int[] values) {
    return list(
        name, values != null, values == null ? 0 : values.length, i -> out.addInteger(values[i]));
  }

  RowFields floats(String name, float[] values) {
    return list(
        name, values != null, values == null ? 0 : values.length, i -> out.addFloat(values[i]));
  }

  RowFields doubles(String name, double[] values) {
    return list(
        name, values != null, values == null ? 0 : values.length, i -> out.addDouble(values[i]));
  }

  /**
   * A list of structs: {@code struct.write(i, fields)} writes the i-th; absent when {@code size} is
   * negative.
   */
  RowFields structs(String name, int size, StructAt struct) {
    GroupType element =
        size < 0
            ? null
            : schema.getType(name).asGroupType().getType(0).asGroupType().getType(0).asGroupType();
    return list(
        name,
        size >= 0,
        size,
        i -> {
          out.startGroup();
          RowFields fields = new RowFields(out, element);
          struct.write(i, fields);
          fields.end();
          out.endGroup();
        });
  }

  /** Names of all fields, in the schema's order. */
  List<String> names() {
    return schema.getFields().stream().map(Type::getName).toList();
  }

  /** The field of a row that was read, whatever its type; absent where the row has none. */
  RowFields copy(String name, Group row) {
    boolean present = row.getType().containsField(name) && row.getFieldRepetitionCount(name) > 0;
    return field(name, present, () -> values(row, row.getType().getFieldIndex(name)));
  }

  private void values(Group row, int index) {
    for (int i = 0; i < row.getFieldRepetitionCount(index); i++) {
      if (row.getType().getType(index).isPrimitive()) {
        row.writeValue(index, i, out);
        continue;
      }
      Group group = row.getGroup(index, i);
      out.startGroup();
      for (int j = 0; j < group.getType().getFieldCount(); j++) {
        if (group.getFieldRepetitionCount(j) > 0) {
          out.startField(group.getType().getFieldName(j), j);
          values(group, j);
          out.endField(group.getType().getFieldName(j), j);
        }
      }
      out.endGroup();
    }
  }

  /** Checks that every field of the row was given. */
  void end() {
    if (next != schema.getFieldCount()) {
      throw new IllegalStateException(
          "Row of '"
              + schema.getName()
              + "' ended before field '"
              + schema.getFieldName(next)
              + "'");
    }
  }

  /** One struct of a list. */
  @FunctionalInterface
  interface StructAt {
    void write(int index, RowFields fields);
  }

  /** The standard three-level list: field (LIST) / repeated group "list" / "element". */
  private RowFields list(String name, boolean present, int size, IntConsumer element) {
    return field(
        name,
        present,
        () -> {
          out.startGroup();
          if (size > 0) {
            out.startField("list", 0);
            for (int i = 0; i < size; i++) {
              out.startGroup();
              out.startField("element", 0);
              element.accept(i);
              out.endField("element", 0);
              out.endGroup();
            }
            out.endField("list", 0);
          }
          out.endGroup();
        });
  }

  private RowFields field(String name, boolean present, Runnable value) {
    int index = next++;
    if (index >= schema.getFieldCount() || !schema.getFieldName(index).equals(name)) {
      throw new IllegalStateException(
          "Field '" + name + "' is not field " + index + " of '" + schema.getName() + "'");
    }
    if (present) {
      out.startField(name, index);
      value.run();
      out.endField(name, index);
    } else if (!schema.getType(index).isRepetition(Type.Repetition.OPTIONAL)) {
      throw new IllegalArgumentException(
          "Cannot write a row of '" + schema.getName() + "': its '" + name + "' is null");
    }
    return this;
  }
}
