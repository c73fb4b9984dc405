package io.sparsefill.job;

import java.util.ArrayList;
import java.util.List;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.EnumLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.IntLogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.StringLogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.apache.parquet.schema.Type.Repetition;

/**
 * Finds the {@link DocumentColumns} in the schema of one Parquet file.
 *
 * @param names the columns' names
 * @param projection those of them that the file has, as it has them
 */
record ParquetColumns(DocumentColumns names, MessageType projection) {
  /**
   * Checks names and types.
   *
   * @throws UnreadableDocumentException if a column that is needed is not there, or a type does not
   *     fit; names the column, and what was found
   */
  static ParquetColumns of(DocumentColumns names, MessageType file)
      throws UnreadableDocumentException {
    List<String> found = file.getFields().stream().map(Type::getName).toList();
    names.requireIdAmong(found);
    names.requireQuestionAmong(found);
    List<Type> wanted = new ArrayList<>();
    if (file.containsField(names.id())) {
      wanted.add(require(file, names.id(), isId(file.getType(names.id())), "a string or integer"));
    }
    boolean hasText = file.containsField(names.text());
    if (hasText) {
      Type text = file.getType(names.text());
      wanted.add(require(file, names.text(), isText(text), "a string or binary"));
    }
    boolean hasTokens = file.containsField(names.tokens());
    if (hasTokens) {
      Type tokens = file.getType(names.tokens());
      wanted.add(require(file, names.tokens(), isTokens(tokens), "a list of int32 or int64"));
    }
    if (!hasText && !hasTokens) {
      throw names.missing(found);
    }
    if (names.question() != null) {
      Type question = file.getType(names.question());
      wanted.add(require(file, names.question(), isText(question), "a string or binary"));
    }
    return new ParquetColumns(names, new MessageType(file.getName(), wanted));
  }

  /** Whether the file has that column. */
  boolean has(String column) {
    return projection.containsField(column);
  }

  /**
   * The repeated field of the tokens column. Its elements are the field itself in two-level lists,
   * else the one field inside it ({@code list.element}, {@code list.item}, {@code bag.array}).
   */
  Type repeatedTokens() {
    return projection.getType(names.tokens()).asGroupType().getType(0);
  }

  /** Whether an integer or other primitive is stored as an unsigned integer. */
  static boolean isUnsigned(PrimitiveType type) {
    return type.getLogicalTypeAnnotation() instanceof IntLogicalTypeAnnotation meaning
        && !meaning.isSigned();
  }

  private static Type require(MessageType file, String column, boolean fits, String needed)
      throws UnreadableDocumentException {
    Type type = file.getType(column);
    if (!fits) {
      throw new UnreadableDocumentException(
          "column '%s' has the type '%s'; %s is needed"
              .formatted(column, type.toString().replaceAll("\\s+", " "), needed));
    }
    return type;
  }

  private static boolean isId(Type type) {
    return isText(type) || (isSingle(type) && isInteger(type.asPrimitiveType()));
  }

  private static boolean isText(Type type) {
    if (!isSingle(type)
        || type.asPrimitiveType().getPrimitiveTypeName() != PrimitiveTypeName.BINARY) {
      return false;
    }
    LogicalTypeAnnotation meaning = type.getLogicalTypeAnnotation();
    return meaning == null
        || meaning instanceof StringLogicalTypeAnnotation
        || meaning instanceof EnumLogicalTypeAnnotation;
  }

  private static boolean isSingle(Type type) {
    return type.isPrimitive() && !type.isRepetition(Repetition.REPEATED);
  }

  private static boolean isTokens(Type type) {
    if (type.isPrimitive() || type.isRepetition(Repetition.REPEATED)) {
      return false;
    }
    GroupType list = type.asGroupType();
    if (list.getFieldCount() != 1 || !list.getType(0).isRepetition(Repetition.REPEATED)) {
      return false;
    }
    Type repeated = list.getType(0);
    if (repeated.isPrimitive()) {
      return isInteger(repeated.asPrimitiveType());
    }
    GroupType wrapped = repeated.asGroupType();
    return wrapped.getFieldCount() == 1
        && isSingle(wrapped.getType(0))
        && isInteger(wrapped.getType(0).asPrimitiveType());
  }

  private static boolean isInteger(PrimitiveType type) {
    PrimitiveTypeName stored = type.getPrimitiveTypeName();
    LogicalTypeAnnotation meaning = type.getLogicalTypeAnnotation();
    return (stored == PrimitiveTypeName.INT32 || stored == PrimitiveTypeName.INT64)
        && (meaning == null || meaning instanceof IntLogicalTypeAnnotation);
  }
}
