package io.sparsefill.job;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Parses one line of JSONL: an object whose columns are looked for by name. Strict: anything after
 * the object, a name given twice, and invalid UTF-8 are errors.
 */
final class JsonLine {
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          // Jackson refuses strings above 20 million characters unless told otherwise.
          .streamReadConstraints(
              StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build())
          .build();

  private final DocumentColumns columns;
  private final String derivedId;
  private final String source;

  private final Set<String> names = new LinkedHashSet<>();
  private String id;
  private String text;
  private int[] tokenIds;
  private String wrongText;
  private String question;
  private String wrongQuestion;

  private JsonLine(DocumentColumns columns, String derivedId, String source) {
    this.columns = columns;
    this.derivedId = derivedId;
    this.source = source;
  }

  /**
   * The document of a line, or its error row.
   *
   * @param line without the line end
   * @param derivedId the document's name if the line has none
   * @param source where the line is
   */
  static Document read(DocumentColumns columns, byte[] line, String derivedId, String source) {
    JsonLine parsed = new JsonLine(columns, derivedId, source);
    try {
      parsed.parse(line);
      return parsed.document();
    } catch (UnreadableDocumentException e) {
      // The name, if it was read before the error, helps to find the line.
      return e.toDocument(
          parsed.id == null ? derivedId : parsed.id, source, ContentHash.of(line, 0, line.length));
    }
  }

  private void parse(byte[] line) throws UnreadableDocumentException {
    int start = DocumentText.byteOrderMarkLength(line, 0, line.length);
    DocumentText.refuseUtf16(line, 0, line.length);
    // Before Jackson, which guesses UTF-16 from NULs and lets overlong forms pass.
    DocumentText.requireUtf8(line, 0, start, line.length);
    try (JsonParser json = JSON.createParser(line, start, line.length - start)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new UnreadableDocumentException("the line is not a JSON object");
      }
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String name = json.currentName();
        names.add(name);
        json.nextToken();
        column(name, json);
      }
      if (json.nextToken() != null) {
        throw new UnreadableDocumentException("the line goes on after the JSON object");
      }
    } catch (JsonProcessingException e) {
      long at = e.getLocation() == null ? -1 : e.getLocation().getByteOffset();
      throw new UnreadableDocumentException(
          "corrupt JSON%s: %s"
              .formatted(
                  at < 0 ? "" : " near byte %d of the line".formatted(at), e.getOriginalMessage()));
    } catch (IOException e) {
      throw UnreadableDocumentException.of(e);
    }
  }

  private void column(String name, JsonParser json)
      throws IOException, UnreadableDocumentException {
    JsonToken value = json.currentToken();
    if (name.equals(columns.id())) {
      id = id(name, json);
    } else if (name.equals(columns.text()) && value == JsonToken.VALUE_STRING) {
      text = json.getText();
    } else if (name.equals(columns.tokens()) && value != JsonToken.VALUE_NULL) {
      tokenIds = tokenIds(name, json);
    } else if (name.equals(columns.question()) && value == JsonToken.VALUE_STRING) {
      question = json.getText();
    } else {
      if (name.equals(columns.text())) {
        wrongText = kind(value);
      }
      if (name.equals(columns.question()) && value != JsonToken.VALUE_NULL) {
        wrongQuestion = kind(value);
      }
      json.skipChildren();
    }
  }

  private static String id(String name, JsonParser json)
      throws IOException, UnreadableDocumentException {
    JsonToken value = json.currentToken();
    if (value == JsonToken.VALUE_STRING || value == JsonToken.VALUE_NUMBER_INT) {
      return DocumentColumns.requireId(name, json.getText());
    }
    throw new UnreadableDocumentException(
        "column '%s' is %s; a string or an integer is needed".formatted(name, kind(value)));
  }

  private static int[] tokenIds(String name, JsonParser json)
      throws IOException, UnreadableDocumentException {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw new UnreadableDocumentException(
          "column '%s' is %s; an array of integers is needed"
              .formatted(name, kind(json.currentToken())));
    }
    int[] ids = new int[64];
    int count = 0;
    while (json.nextToken() != JsonToken.END_ARRAY) {
      JsonToken token = json.currentToken();
      boolean fits =
          token == JsonToken.VALUE_NUMBER_INT
              && json.getNumberType() == JsonParser.NumberType.INT
              && json.getIntValue() >= 0;
      if (!fits) {
        String found = token != null && token.isNumeric() ? json.getText() : kind(token);
        throw DocumentColumns.notTokenId(name, count, found);
      }
      if (count == ids.length) {
        ids = Arrays.copyOf(ids, 2 * count);
      }
      ids[count++] = json.getIntValue();
    }
    return Arrays.copyOf(ids, count);
  }

  private Document document() throws UnreadableDocumentException {
    columns.requireIdAmong(names);
    columns.requireQuestionAmong(names);
    if (wrongQuestion != null) {
      throw new UnreadableDocumentException(
          "column '%s' is %s; a string is needed".formatted(columns.question(), wrongQuestion));
    }
    Document document = withoutQuestion();
    return columns.question() == null ? document : columns.ask(document, question);
  }

  private Document withoutQuestion() throws UnreadableDocumentException {
    String docId = id == null ? derivedId : id;
    if (tokenIds != null) {
      return DocumentColumns.ofTokens(docId, source, tokenIds);
    }
    if (wrongText != null) {
      throw new UnreadableDocumentException(
          "column '%s' is %s; a string is needed".formatted(columns.text(), wrongText));
    }
    if (text == null) {
      throw columns.missing(names);
    }
    return DocumentColumns.ofText(docId, source, DocumentText.of(text));
  }

  private static String kind(JsonToken value) {
    if (value == null) {
      return "cut off";
    }
    return switch (value) {
      case START_OBJECT -> "an object";
      case START_ARRAY -> "an array";
      case VALUE_STRING -> "a string";
      case VALUE_NUMBER_INT -> "an integer";
      case VALUE_NUMBER_FLOAT -> "a decimal number";
      case VALUE_TRUE, VALUE_FALSE -> "a boolean";
      case VALUE_NULL -> "null";
      default -> value.name();
    };
  }
}
