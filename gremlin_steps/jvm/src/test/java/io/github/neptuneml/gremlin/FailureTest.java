package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.ENDPOINT;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static io.github.neptuneml.gremlin.NeptuneML.SCORE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.FakeService.Canned;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Service and worker in trouble: every fault becomes one of the documented failures, never a partial answer. */
class FailureTest extends PredictionTest {

    private NeptuneMLException failure() {
        return assertThrows(NeptuneMLException.class, () -> g("country").V(1).values("country", SCORE).with(CLASSIFICATION).iterate());
    }

    private static String closedPort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return "http://127.0.0.1:" + socket.getLocalPort();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void anUnreachableServiceSaysHowToStartIt() {
        final String url = closedPort();
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class, () -> g(Settings.build().serviceUrl(url).create())
                .with(ENDPOINT, "country").V(1).values("country").with(CLASSIFICATION).iterate());
        assertEquals("FailureByQueryException", failure.code());
        assertTrue(failure.getMessage().contains(url) && failure.getMessage().contains("neptuneml serve"), failure.getMessage());
    }

    private void endpointAt(final String... addresses) {
        service.with(FakeEndpoint.node("country", "node_class", "person", "country", "String").addresses(List.of(addresses)).answer("*", "US", 0.9));
    }

    @Test
    void withoutAnyWorkerTheServicePassesOn() {
        endpointAt(closedPort(), closedPort());
        assertEquals("US", g("country").V(1).values("country").with(CLASSIFICATION).next());
        assertEquals("/endpoints/country/invocations", service.requests.get(0).path);
    }

    @Test
    void aLivingWorkerIsPreferredToTheService() {
        endpointAt(closedPort(), service.url());
        assertEquals("US", g("country").V(1).values("country").with(CLASSIFICATION).next());
        assertEquals("/invocations", service.requests.get(0).path);
    }

    @Test
    void noAddressMeansTheServicesRoute() {
        endpointAt();
        assertEquals("US", g("country").V(1).values("country").with(CLASSIFICATION).next());
        assertEquals("/endpoints/country/invocations", service.requests.get(0).path);
    }

    @ParameterizedTest
    @ValueSource(ints = {401, 403, 404, 409, 502, 503})
    void aWorkerThatHasMovedOnIsBypassed(final int status) {
        service.workersSay(Canned.error(status, "ConstraintViolationException", "not me"));
        assertEquals("US", g("country").V(1).values("country").with(CLASSIFICATION).next());
        assertEquals(List.of("/invocations", "/endpoints/country/invocations"),
                List.of(service.requests.get(0).path, service.requests.get(1).path));
    }

    /** Its code tells a worker of another version from one that refuses the question. */
    @Test
    void aWorkerOfAnotherVersionIsBypassed() {
        service.workersSay(Canned.error(400, "ConstraintViolationException", "another version"));
        assertEquals("US", g("country").V(1).values("country").with(CLASSIFICATION).next());
        assertEquals(List.of("/invocations", "/endpoints/country/invocations"),
                List.of(service.requests.get(0).path, service.requests.get(1).path));
        service.requests.clear();
        service.workersSay(Canned.error(400, "InvalidParameterException", "because"));
        assertThrows(NeptuneMLException.class, () -> g("country").V(1).values("country").with(CLASSIFICATION).iterate());
        assertEquals(1, service.requests.size());
    }

    @ParameterizedTest
    @CsvSource({
        "400, InvalidParameterException, InvalidParameterException",
        "400, MissingParameterException, MissingParameterException",
        "400, UnsupportedOperationException, UnsupportedOperationException",
        "400, BadRequestException, BadRequestException",
        "400, ConstraintViolationException, ConstraintViolationException",
        "403, AccessDeniedException, BadRequestException",
        "404, MLResourceNotFoundException, BadRequestException",
        "409, ConstraintViolationException, ConstraintViolationException",
        "429, TooManyRequestsException, TooManyRequestsException",
        "500, TimeLimitExceededException, TimeLimitExceededException",
        "500, InternalFailureException, FailureByQueryException",
        "503, FailureByQueryException, FailureByQueryException",
        "418, Teapot, FailureByQueryException"})
    void errorsKeepTheirMeaning(final int status, final String sent, final String expected) {
        service.workersSay(Canned.error(status, sent, "because"));
        service.serviceSays(Canned.error(status, sent, "because"));
        final NeptuneMLException failure = failure();
        assertEquals(expected, failure.code());
        assertTrue(failure.getMessage().contains("country"), failure.getMessage());
    }

    @Test
    void aFailureThatOnlyALogExplainsNamesTheRequest() {
        service.workersSay(Canned.error(500, "InternalFailureException", "because"));
        service.serviceSays(Canned.error(500, "InternalFailureException", "because"));
        final String message = failure().getMessage();
        final String id = service.requests.get(0).parameters().path("requestId").asText();
        assertTrue(message.contains("because (request " + id + ")"), message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "not json", "[]", "null", "{}", "{\"artifactVersion\": \"country-1\"}",
        "{\"answers\": [[{\"value\": \"US\", \"score\": 1}]], \"artifactVersion\": \"country-1\"}"})
    void malformedAnswersAreRefused(final String body) {
        service.workersSay(new Canned(200, body));
        assertEquals("ConstraintViolationException", failure().code());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "5",
        "{}",
        "{\"classes\": \"US\"}",
        "{\"classes\": [\"US\"], \"indices\": [], \"scores\": []}",
        "{\"classes\": [\"US\"], \"indices\": [0, 0], \"scores\": [1, 1]}",
        "{\"classes\": [\"US\"], \"indices\": [0, 0], \"scores\": [1, 1], \"counts\": [2]}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": [1], \"counts\": [0]}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": [1], \"counts\": [-1]}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": [1], \"counts\": [1, 0]}",
        "{\"classes\": [\"US\"], \"indices\": [1], \"scores\": [1]}",
        "{\"classes\": [\"US\"], \"indices\": [-1], \"scores\": [1]}",
        "{\"classes\": [\"US\"], \"indices\": [\"0\"], \"scores\": [1]}",
        "{\"classes\": [null], \"indices\": [0], \"scores\": [1]}",
        "{\"classes\": [[\"US\"]], \"indices\": [0], \"scores\": [1]}",
        "{\"classes\": [\"US\"], \"indices\": [0]}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": [\"NaN\"]}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": [1e999]}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": \"AAAAAAAA+H8=\"}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": \"AAAA\"}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": \"?\"}",
        "{\"classes\": [\"US\"], \"indices\": \"AAAA\", \"scores\": [1]}",
        "{\"values\": [1.5], \"scores\": [1]}",
        "{\"classes\": [\"US\"], \"indices\": [0], \"scores\": [1]"})
    void malformedColumnsAreRefused(final String columns) {
        service.workersSay(new Canned(200, "{\"artifactVersion\": \"country-1\", \"columns\": " + columns + "}"));
        assertEquals("ConstraintViolationException", failure().code());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ", \"artifactVersion\": \"country-2\"", ", \"artifactVersion\": 1"})
    void anAnswerOfAnotherVersionIsRefused(final String version) {
        service.workersSay(new Canned(200, "{\"columns\": {\"classes\": [\"US\"], \"indices\": [0], \"scores\": [1]}" + version + "}"));
        assertTrue(failure().getMessage().contains("run the query again"));
    }

    @Test
    void idsOfAnotherTypeAreRefused() {
        service.with(FakeEndpoint.links("links", new String[] {"person", "created", "software"}).ids("software", "Long", 2).answer("1", "lop", 0.5));
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class,
                () -> g("links").V(1).out("created").with(PREDICTION).hasLabel("software").iterate());
        assertEquals("ConstraintViolationException", failure.code());
    }

    @Test
    void theQuerysTimeoutEndsAHangingRequest() {
        service.holdAnswers();
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class, () -> g("country").with("evaluationTimeout", 200L)
                .V(1).values("country").with(CLASSIFICATION).iterate());
        assertEquals("TimeLimitExceededException", failure.code());
        final int deadline = service.requests.get(0).parameters().path("deadlineMs").asInt();
        assertTrue(deadline > 0 && deadline <= 150, "deadlineMs is " + deadline);
    }

    @Test
    void theQuerysTimeoutEndsAHangingDescription() {
        service.holdDescriptions();
        final NeptuneMLException failure = assertThrows(NeptuneMLException.class, () -> g("country").with("evaluationTimeout", 200L)
                .V(1).values("country").with(CLASSIFICATION).iterate());
        assertEquals("TimeLimitExceededException", failure.code());
        assertEquals(0, service.requests.size());
    }

    /** One answer is out already: the rest must not be a shorter result that looks complete. */
    @Test
    void aServiceThatDiesInMidQueryFailsTheQuery() {
        final Traversal<?, ?> query = g("country").V(1, 2, 4).values("country").with(CLASSIFICATION);
        assertEquals("US", query.next());
        service.close();
        assertEquals("FailureByQueryException", assertThrows(NeptuneMLException.class, query::hasNext).code());
    }

    @Test
    void anOverloadedWorkerIsNotAskedTwice() {
        service.workersSay(Canned.error(429, "TooManyRequestsException", "queue full"));
        assertEquals("TooManyRequestsException", failure().code());
        assertEquals(1, service.requests.size());
    }

    @Test
    void anInterruptEndsAHangingRequest() throws Exception {
        service.holdAnswers();
        final CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        final CompletableFuture<Boolean> flag = new CompletableFuture<>();
        final Thread query = new Thread(() -> {
            try {
                g("country").V(1).values("country").with(CLASSIFICATION).iterate();
                outcome.complete(null);
            } catch (final RuntimeException e) {
                flag.complete(Thread.currentThread().isInterrupted());
                outcome.complete(e);
            }
        });
        query.start();
        service.awaitRequest();
        query.interrupt();
        assertInstanceOf(TraversalInterruptedException.class, outcome.get());
        assertTrue(flag.get(), "the interrupt flag is restored");
        query.join();
    }

    @Test
    void requestsSayWhatTheyAre() {
        g("country").with(NeptuneML.THRESHOLD, 0.25).with(NeptuneML.LIMIT, 3).V(1).properties("country", SCORE).with(CLASSIFICATION).iterate();
        final FakeService.Request request = service.requests.get(0);
        assertEquals("v1", request.body.path("version").asText());
        assertEquals("predict", request.body.path("mode").asText());
        assertEquals("country", request.parameters().path("property").asText());
        assertEquals(3, request.parameters().path("topk").asInt());
        assertEquals(0.25, request.parameters().path("threshold").asDouble());
        assertTrue(request.parameters().path("score").asBoolean());
        assertEquals("country-1", request.parameters().path("artifactVersion").asText());
        assertEquals("[{\"nodeId\":\"1\"}]", request.items().toString());
    }

    private Traversal<?, ?> afterOneAnswer() {
        final Traversal<?, ?> query = g("country").V(1, 2, 4).values("country").with(CLASSIFICATION);
        assertEquals("US", query.next());
        return query;
    }

    private static void failsWith(final String code, final Traversal<?, ?> query) {
        assertEquals(code, assertThrows(NeptuneMLException.class, query::hasNext).code());
    }

    @Test
    void aWorkerThatDiesBetweenTwoBatchesFailsTheQueryUnlessAnotherAnswers() {
        final Traversal<?, ?> bypassed = afterOneAnswer();
        service.workersSay(Canned.error(503, "FailureByQueryException", "shutting down"));
        assertEquals("FR", bypassed.next());
        service.workersSay(null);
        final Traversal<?, ?> failing = afterOneAnswer();
        service.workersSay(Canned.error(503, "FailureByQueryException", "shutting down"));
        service.serviceSays(Canned.error(503, "FailureByQueryException", "the worker died"));
        failsWith("FailureByQueryException", failing);
    }

    @Test
    void aWorkerThatComesBackWithAnotherVersionFailsTheQuery() {
        final Traversal<?, ?> query = afterOneAnswer();
        service.workersSay(new Canned(200, "{\"answers\": [[{\"value\": \"US\"}], []], \"artifactVersion\": \"country-2\"}"));
        failsWith("ConstraintViolationException", query);
    }

    @Test
    void aMalformedAnswerInMidQueryFailsTheQuery() {
        final Traversal<?, ?> query = afterOneAnswer();
        service.workersSay(new Canned(200, "{\"answers\": [["));
        failsWith("ConstraintViolationException", query);
    }

    @Test
    void aWorkerThatHangsInMidQueryFailsTheQueryBeforeItsTimeout() {
        final Traversal<?, ?> query = g("country").with("evaluationTimeout", 600L).V(1, 2, 4).values("country").with(CLASSIFICATION);
        assertEquals("US", query.next());
        service.holdAnswers();
        failsWith("TimeLimitExceededException", query);
    }

    @Test
    void nestedPredictionsFailAsFlatOnesDo() {
        service.workersSay(new Canned(200, "nothing"));
        failsWith("ConstraintViolationException", g("country").V().where(__.values("country").with(CLASSIFICATION)));
        service.workersSay(null);
        service.holdAnswers();
        failsWith("TimeLimitExceededException", g("country").with("evaluationTimeout", 300L)
                .V().project("c").by(__.values("country").with(CLASSIFICATION)));
    }
}
