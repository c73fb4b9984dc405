package io.sparsefill.job;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.Converter;
import org.apache.parquet.io.api.GroupConverter;
import org.apache.parquet.io.api.PrimitiveConverter;
import org.apache.parquet.io.api.RecordMaterializer;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.Type;

/**
 * The current row of a Parquet file under a {@link ParquetColumns} projection: parquet-java calls
 * the converters with the row's values, then {@link #document} makes them a document. Token ids go
 * straight into an int array, without an object per token.
 */
final class ParquetRow extends RecordMaterializer<ParquetRow> {
  private final ParquetColumns columns;
  private final GroupConverter root;

  private byte[] idBytes;
  private String idNumber;
  private byte[] text;
  private byte[] question;
  private boolean hasTokens;
  private int[] tokens = new int[64];
  private int tokenCount;
  private String wrongToken;
  private int wrongTokenIndex;

  ParquetRow(ParquetColumns columns) {
    this.columns = columns;
    Converter[] converters =
        columns.projection().getFields().stream().map(this::converter).toArray(Converter[]::new);
    this.root = new Row(converters);
  }

  @Override
  public ParquetRow getCurrentRecord() {
    return this;
  }

  @Override
  public GroupConverter getRootConverter() {
    return root;
  }

  /**
   * The row as a document, or its error row.
   *
   * @param derivedId the document's name if the file has no id column
   * @param source where the row is
   */
  Document document(String derivedId, String source) {
    DocumentColumns names = columns.names();
    String docId = derivedId;
    try {
      if (columns.has(names.id())) {
        docId = id(names.id());
      }
      if (hasTokens) {
        if (wrongToken != null) {
          throw DocumentColumns.notTokenId(names.tokens(), wrongTokenIndex, wrongToken);
        }
        return ask(DocumentColumns.ofTokens(docId, source, Arrays.copyOf(tokens, tokenCount)));
      }
      if (text == null) {
        throw names.nullText();
      }
      return ask(DocumentColumns.ofText(docId, source, DocumentText.decode(text, 0, text.length)));
    } catch (UnreadableDocumentException e) {
      String hash = text == null ? ContentHash.OF_NOTHING : ContentHash.of(text, 0, text.length);
      return e.toDocument(docId, source, hash);
    }
  }

  private Document ask(Document document) throws UnreadableDocumentException {
    DocumentColumns names = columns.names();
    return names.question() == null ? document : names.ask(document, question);
  }

  private String id(String column) throws UnreadableDocumentException {
    if (idNumber != null) {
      return idNumber;
    }
    if (idBytes == null) {
      throw new UnreadableDocumentException(
          "column '%s' is null; every document needs a name".formatted(column));
    }
    return DocumentColumns.requireId(column, idBytes);
  }

  /**
   * A copy of a value. {@link Binary#getBytes} would first allocate the length that a corrupt page
   * claims; a buffer refuses to reach beyond the page.
   */
  private static byte[] bytes(Binary value) {
    ByteBuffer buffer = value.toByteBuffer();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return bytes;
  }

  private void addToken(long id) {
    if (id < 0 || id > Integer.MAX_VALUE) {
      addWrongToken(Long.toString(id));
    } else {
      if (tokenCount == tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * tokenCount);
      }
      tokens[tokenCount++] = (int) id;
    }
  }

  private void addWrongToken(String found) {
    if (wrongToken == null) {
      wrongToken = found;
      wrongTokenIndex = tokenCount;
    }
  }

  private Converter converter(Type field) {
    DocumentColumns names = columns.names();
    if (field.getName().equals(names.id())) {
      return new Id(ParquetColumns.isUnsigned(field.asPrimitiveType()));
    }
    if (field.getName().equals(names.text())) {
      return new PrimitiveConverter() {
        @Override
        public void addBinary(Binary value) {
          text = bytes(value);
        }
      };
    }
    if (field.getName().equals(names.question())) {
      return new PrimitiveConverter() {
        @Override
        public void addBinary(Binary value) {
          question = bytes(value);
        }
      };
    }
    return new TokenList(columns.repeatedTokens());
  }

  /** A whole row; a new one forgets the one before. */
  private final class Row extends GroupConverter {
    private final Converter[] converters;

    Row(Converter[] converters) {
      this.converters = converters;
    }

    @Override
    public Converter getConverter(int field) {
      return converters[field];
    }

    @Override
    public void start() {
      idBytes = null;
      idNumber = null;
      text = null;
      question = null;
      hasTokens = false;
      tokenCount = 0;
      wrongToken = null;
    }

    @Override
    public void end() {}
  }

  /** The tokens column: it starts when it is not null, with or without elements. */
  private final class TokenList extends GroupConverter {
    private final Converter repeated;

    TokenList(Type field) {
      repeated =
          field.isPrimitive()
              ? new Token(field.asPrimitiveType())
              : new WrappedToken(new Token(field.asGroupType().getType(0).asPrimitiveType()));
    }

    @Override
    public Converter getConverter(int field) {
      return repeated;
    }

    @Override
    public void start() {
      hasTokens = true;
    }

    @Override
    public void end() {}
  }

  /** The repeated group of a three-level list: a null element starts and ends without a value. */
  private final class WrappedToken extends GroupConverter {
    private final Token token;

    WrappedToken(Token token) {
      this.token = token;
    }

    @Override
    public Converter getConverter(int field) {
      return token;
    }

    @Override
    public void start() {
      token.given = false;
    }

    @Override
    public void end() {
      if (!token.given) {
        addWrongToken("null");
      }
    }
  }

  /** One token id. */
  private final class Token extends PrimitiveConverter {
    private final boolean unsigned;
    private boolean given;

    Token(PrimitiveType type) {
      this.unsigned = ParquetColumns.isUnsigned(type);
    }

    @Override
    public void addInt(int value) {
      given = true;
      addToken(unsigned ? Integer.toUnsignedLong(value) : value);
    }

    @Override
    public void addLong(long value) {
      given = true;
      // An unsigned value of 2^63 or more looks negative here, and is too large as well.
      addToken(value);
    }
  }

  /** The name, from any of the types that {@link ParquetColumns} lets pass. */
  private final class Id extends PrimitiveConverter {
    private final boolean unsigned;

    Id(boolean unsigned) {
      this.unsigned = unsigned;
    }

    @Override
    public void addBinary(Binary value) {
      idBytes = bytes(value);
    }

    @Override
    public void addInt(int value) {
      idNumber = unsigned ? Integer.toUnsignedString(value) : Integer.toString(value);
    }

    @Override
    public void addLong(long value) {
      idNumber = unsigned ? Long.toUnsignedString(value) : Long.toString(value);
    }
  }
}
