package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.apache.tinkerpop.shaded.jackson.core.JsonParser;
import org.apache.tinkerpop.shaded.jackson.core.JsonToken;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;

/**
 * Reads a worker's answer in columns (docs/wire.md, section 2) and believes nothing: counts, types, scores and version
 * are checked.
 */
final class AnswerReader {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Set<String> PACKED = Set.of("indices", "values", "scores", "counts");

    /** One list per item of the invocation, in its order. */
    List<List<Answer>> read(final byte[] json, final EndpointDescription endpoint, final Invocation asked) {
        try (JsonParser parser = MAPPER.getFactory().createParser(json)) {
            final Columns columns = new Columns(endpoint, asked);
            columns.readAnswer(parser);
            if (!columns.version.equals(endpoint.version))
                throw Failure.WRONG_VERSION.with(endpoint.name(), endpoint.version, "the answer came from '" + columns.version + "'");
            return columns.answers();
        } catch (final NeptuneMLException e) {
            throw e;
        } catch (final IOException | RuntimeException e) {
            throw Failure.MALFORMED_ANSWER.with(endpoint.name(), e.getMessage());
        }
    }

    /** The members of an answer; those that are not there are null. */
    private static final class Columns {
        private final EndpointDescription endpoint;
        private final Invocation asked;
        private String version = "";
        private List<Object> classes;
        private int[] indices;
        private double[] values;
        private List<Object> ids;
        private double[] scores;
        private int[] counts;
        private List<List<Answer>> alone;

        Columns(final EndpointDescription endpoint, final Invocation asked) {
            this.endpoint = endpoint;
            this.asked = asked;
        }

        void readAnswer(final JsonParser json) throws IOException {
            expect(json.nextToken(), JsonToken.START_OBJECT, "the answer");
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                final String name = json.currentName();
                final JsonToken value = json.nextToken();
                if (name.equals("artifactVersion")) version = json.getText();
                else if (name.equals("columns")) readColumns(json, value);
                else json.skipChildren();
            }
            expect(json.currentToken(), JsonToken.END_OBJECT, "the answer");
        }

        private void readColumns(final JsonParser json, final JsonToken start) throws IOException {
            expect(start, JsonToken.START_OBJECT, "'columns'");
            while (json.nextToken() == JsonToken.FIELD_NAME) readColumn(json, json.currentName());
            expect(json.currentToken(), JsonToken.END_OBJECT, "'columns'");
        }

        private void readColumn(final JsonParser json, final String name) throws IOException {
            if (json.nextToken() == JsonToken.VALUE_STRING && PACKED.contains(name)) {
                readPacked(ByteBuffer.wrap(json.getBinaryValue()).order(ByteOrder.LITTLE_ENDIAN), name);
                return;
            }
            expect(json.currentToken(), JsonToken.START_ARRAY, "'" + name + "'");
            if (name.equals("classes")) classes = classes(json);
            else if (name.equals("indices")) indices = integers(json);
            else if (name.equals("values")) values = numbers(json, name);
            else if (name.equals("ids")) ids = texts(json);
            else if (name.equals("scores")) scores = numbers(json, name);
            else if (name.equals("counts")) counts = integers(json);
            else json.skipChildren();
        }

        private void readPacked(final ByteBuffer packed, final String name) {
            if (name.equals("indices")) indices = integers(packed, name);
            else if (name.equals("counts")) counts = integers(packed, name);
            else if (name.equals("values")) values = numbers(packed, name);
            else scores = numbers(packed, name);
        }

        private static int[] integers(final ByteBuffer packed, final String name) {
            final int[] integers = new int[count(packed, Integer.BYTES, name)];
            packed.asIntBuffer().get(integers);
            return integers;
        }

        private static double[] numbers(final ByteBuffer packed, final String name) {
            final double[] numbers = new double[count(packed, Double.BYTES, name)];
            packed.asDoubleBuffer().get(numbers);
            for (final double number : numbers) finite(number, name);
            return numbers;
        }

        private static int count(final ByteBuffer packed, final int size, final String name) {
            if (packed.remaining() % size != 0) throw new IllegalArgumentException("'" + name + "' are " + packed.remaining() + " bytes");
            return packed.remaining() / size;
        }

        private static double finite(final double number, final String name) {
            if (!Double.isFinite(number)) throw new IllegalArgumentException("one of '" + name + "' is no finite number");
            return number;
        }

        private List<Object> classes(final JsonParser json) throws IOException {
            final List<Object> read = new ArrayList<>();
            while (json.nextToken() != JsonToken.END_ARRAY) {
                final JsonNode node = MAPPER.readTree(json);
                read.add(ValueType.convert(node, endpoint.dataType));
            }
            return read;
        }

        private static int[] integers(final JsonParser json) throws IOException {
            final IntStream.Builder read = IntStream.builder();
            while (json.nextToken() != JsonToken.END_ARRAY) {
                expect(json.currentToken(), JsonToken.VALUE_NUMBER_INT, "a count or an index");
                read.add(json.getIntValue());
            }
            return read.build().toArray();
        }

        private static double[] numbers(final JsonParser json, final String name) throws IOException {
            final DoubleStream.Builder read = DoubleStream.builder();
            while (json.nextToken() != JsonToken.END_ARRAY) {
                if (!json.currentToken().isNumeric())
                    throw new IllegalArgumentException("one of '" + name + "' is no finite number");
                read.add(finite(json.getDoubleValue(), name));
            }
            return read.build().toArray();
        }

        private static List<Object> texts(final JsonParser json) throws IOException {
            final List<Object> read = new ArrayList<>();
            while (json.nextToken() != JsonToken.END_ARRAY) {
                expect(json.currentToken(), JsonToken.VALUE_STRING, "an id");
                read.add(json.getText());
            }
            return read;
        }

        private static void expect(final JsonToken found, final JsonToken wanted, final String where) {
            if (found != wanted) throw new IllegalArgumentException(where + " is " + found + " instead of " + wanted);
        }

        List<List<Answer>> answers() {
            final int total = total();
            if (asked.wantsScores() && (scores == null || scores.length != total))
                throw new IllegalArgumentException("'scores' are missing, or are not " + total);
            if (counts != null && counts.length != asked.size() || counts == null && total != asked.size())
                throw new IllegalArgumentException((counts == null ? total : counts.length) + " answers to " + asked.size() + " items");
            final List<List<Answer>> answers = new ArrayList<>(asked.size());
            int at = 0;
            for (int item = 0; item < asked.size(); item++) {
                final int count = counts == null ? 1 : counts[item];
                if (count < 0 || count > asked.topk() || count > total - at)
                    throw new IllegalArgumentException("an item has " + count + " answers of at most " + asked.topk());
                answers.add(ranked(at, count));
                at += count;
            }
            if (at != total) throw new IllegalArgumentException(total + " answers are counted as " + at);
            return answers;
        }

        private int total() {
            if (endpoint.task == Task.LINK_PREDICTION && ids != null) return ids.size();
            if (endpoint.task.isRegression() && values != null) return values.length;
            if (endpoint.task != Task.LINK_PREDICTION && !endpoint.task.isRegression() && classes != null && indices != null)
                return indices.length;
            throw new IllegalArgumentException("'columns' of " + endpoint.task + " are missing");
        }

        private List<Answer> ranked(final int from, final int count) {
            if (count == 1) return only(from);
            final List<Answer> ranked = new ArrayList<>(count);
            for (int at = from; at < from + count; at++) ranked.add(answer(at));
            return ranked;
        }

        /** Of a class without its score, the same for all items. */
        private List<Answer> only(final int at) {
            if (classes == null || asked.wantsScores()) return List.of(answer(at));
            if (alone == null)
                alone = classes.stream().map(value -> List.of(new Answer(value, Double.NaN))).collect(Collectors.toList());
            return alone.get(indices[at]);
        }

        private Answer answer(final int at) {
            final double score = asked.wantsScores() ? scores[at] : Double.NaN;
            if (endpoint.task == Task.LINK_PREDICTION) return new Answer(ids.get(at), score);
            return new Answer(endpoint.task.isRegression() ? (Object) values[at] : classes.get(indices[at]), score);
        }
    }
}
