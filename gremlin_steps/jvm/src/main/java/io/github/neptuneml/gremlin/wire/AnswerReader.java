package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;

/** Reads a worker's answer and believes nothing: counts, types, scores and version are checked. */
final class AnswerReader {

    private final ObjectMapper mapper = new ObjectMapper();

    /** One list per item of the invocation, in its order. */
    List<List<Answer>> read(final byte[] json, final EndpointDescription endpoint, final Invocation asked) {
        try {
            final JsonNode root = mapper.readTree(json);
            if (root == null || !root.path("answers").isArray()) throw new IllegalArgumentException("'answers' is missing");
            final String version = root.path("artifactVersion").asText("");
            if (!version.equals(endpoint.version))
                throw Failure.WRONG_VERSION.with(endpoint.name(), endpoint.version, "the answer came from '" + version + "'");
            return answers(root.path("answers"), endpoint, asked);
        } catch (final NeptuneMLException e) {
            throw e;
        } catch (final IOException | RuntimeException e) {
            throw Failure.MALFORMED_ANSWER.with(endpoint.name(), e.getMessage());
        }
    }

    private static List<List<Answer>> answers(final JsonNode lists, final EndpointDescription endpoint, final Invocation asked) {
        if (lists.size() != asked.size())
            throw new IllegalArgumentException(lists.size() + " answers to " + asked.size() + " items");
        final List<List<Answer>> answers = new ArrayList<>(lists.size());
        for (final JsonNode list : lists) {
            if (!list.isArray() || list.size() > asked.topk())
                throw new IllegalArgumentException("an item's answer is no list of at most " + asked.topk());
            final List<Answer> ranked = new ArrayList<>(list.size());
            for (final JsonNode answer : list) ranked.add(answer(answer, endpoint, asked));
            answers.add(ranked);
        }
        return answers;
    }

    private static Answer answer(final JsonNode answer, final EndpointDescription endpoint, final Invocation asked) {
        final double score = asked.wantsScores() ? score(answer.path("score")) : Double.NaN;
        if (endpoint.task == Task.LINK_PREDICTION) {
            if (!answer.path("id").isTextual()) throw new IllegalArgumentException("'id' is missing in " + answer);
            return new Answer(answer.path("id").asText(), score);
        }
        if (!answer.has("value")) throw new IllegalArgumentException("'value' is missing in " + answer);
        return new Answer(ValueType.convert(answer.path("value"), endpoint.dataType), score);
    }

    private static double score(final JsonNode score) {
        if (!score.isNumber() || !Double.isFinite(score.doubleValue()))
            throw new IllegalArgumentException("a score is missing or not finite");
        return score.doubleValue();
    }
}
