package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.ENDPOINT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.failure.NeptuneMLException.BadRequestException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.ConstraintViolationException;
import io.github.neptuneml.gremlin.failure.NeptuneMLException.InvalidParameterException;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which endpoint is asked, at which version, with which token. */
class EndpointTest extends PredictionTest {

    private FakeEndpoint versioned;

    @BeforeEach
    void endpointThatAnswersItsVersion() {
        versioned = FakeEndpoint.node("versioned", "node_class", "person", "country", "String").answer("*", "VERSION", 0.9);
        service.with(versioned);
    }

    private static Traversal<?, Object> ask(final GraphTraversalSource g) {
        return g.V(1, 2, 4).values("country").with(CLASSIFICATION);
    }

    @Test
    void aQueryKeepsTheVersionThatItStartedWith() {
        final Traversal<?, Object> query = ask(g(settings().pinReuseMillis(0).create()).with(ENDPOINT, "versioned"));
        assertEquals("versioned-1", query.next());
        versioned.update("versioned-2");
        assertEquals(List.of("versioned-1", "versioned-1"), query.toList());
        assertEquals(List.of("versioned-2", "versioned-2", "versioned-2"), ask(g("versioned")).toList());
    }

    /** The old version's worker is left: the service passes on to it while the new one answers already. */
    @Test
    void aPinnedVersionIsAnsweredThroughTheService() {
        final Traversal<?, Object> query = ask(g(settings().pinReuseMillis(0).create()).with(ENDPOINT, "versioned"));
        assertEquals("versioned-1", query.next());
        versioned.update("versioned-2");
        service.workersSay(FakeService.Canned.error(409, "ConstraintViolationException", "versioned-2 is here"));
        assertEquals(List.of("versioned-1", "versioned-1"), query.toList());
        assertEquals("/endpoints/versioned/invocations", service.requests.get(service.requests.size() - 1).path);
    }

    /** The worker of the pinned version was started again at another address: the service knows where. */
    @Test
    void aPinnedVersionsWorkersAreLookedUpAgain() {
        final Traversal<?, Object> query;
        try (FakeService worker = new FakeService().with(versioned)) {
            versioned.addresses(List.of(worker.url()));
            query = ask(g(settings().pinReuseMillis(0).create()).with(ENDPOINT, "versioned"));
            assertEquals("versioned-1", query.next());
        }
        versioned.addresses(List.of(service.url())).update("versioned-2");
        service.serviceSays(FakeService.Canned.error(503, "FailureByQueryException", "not this way"));
        assertEquals(List.of("versioned-1", "versioned-1"), query.toList());
        assertEquals(List.of("/endpoints/versioned", "/endpoints/versioned?version=versioned-1"),
                service.descriptions.stream().map(request -> request.path).collect(Collectors.toList()));
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 409})
    void aVersionThatIsGoneFailsTheQuery(final int status) {
        final Traversal<?, Object> query = ask(g("versioned"));
        query.next();
        service.workersSay(FakeService.Canned.error(status, "ConstraintViolationException", "versioned-2 is here"));
        service.serviceSays(FakeService.Canned.error(status, "ConstraintViolationException", "no worker has it"));
        assertTrue(assertThrows(ConstraintViolationException.class, query::toList).getMessage().contains("run the query again"));
    }

    /** A clone of a compiled traversal is a query of its own, with a pin and a time of its own. */
    @Test
    void aCloneAsksTheEndpointAsItIsThen() {
        final Traversal.Admin<?, Object> compiled = ask(g(settings().pinReuseMillis(0).create()).with(ENDPOINT, "versioned")).asAdmin();
        compiled.applyStrategies();
        final Traversal<?, Object> first = compiled.clone();
        assertEquals("versioned-1", first.next());
        versioned.update("versioned-2");
        assertEquals(List.of("versioned-2", "versioned-2", "versioned-2"), compiled.clone().toList());
        assertEquals(List.of("versioned-1", "versioned-1"), first.toList());
    }

    @Test
    void childrenShareThePin() {
        final GraphTraversalSource g = g(settings().pinReuseMillis(0).create()).with(ENDPOINT, "versioned");
        final Traversal<?, Object> query = g.V(1, 2, 4)
                .union(__.values("country").with(CLASSIFICATION), __.map(__.values("country").with(CLASSIFICATION)));
        assertEquals("versioned-1", query.next());
        versioned.update("versioned-2");
        assertEquals(List.of("versioned-1"), query.toList().stream().distinct().collect(Collectors.toList()));
        assertEquals(1, service.descriptions.size());
    }

    @Test
    void aDescriptionIsReusedForASecond() {
        final GraphTraversalSource g = g(settings().pinReuseMillis(60_000).create()).with(ENDPOINT, "versioned");
        ask(g).iterate();
        ask(g).iterate();
        assertEquals(1, service.descriptions.size());
    }

    @Test
    void anUnchangedDescriptionIsNotSentAgain() {
        final GraphTraversalSource g = g(settings().pinReuseMillis(0).create()).with(ENDPOINT, "versioned");
        assertEquals(ask(g).toList(), ask(g).toList());
        assertEquals(2, service.descriptions.size());
    }

    @Test
    void aDeletedEndpointIsForgotten() {
        final GraphTraversalSource g = g(settings().pinReuseMillis(0).create()).with(ENDPOINT, "versioned");
        ask(g).iterate();
        service.remove("versioned");
        assertThrows(BadRequestException.class, () -> ask(g).iterate());
        service.with(versioned);
        assertEquals("versioned-1", ask(g).next());
    }

    @Test
    void anEndpointThatDoesNotServeIsRefusedWithItsStatus() {
        versioned.status("Creating");
        final BadRequestException refusal = assertThrows(BadRequestException.class, () -> ask(g("versioned")).iterate());
        assertTrue(refusal.getMessage().contains("status Creating"), refusal.getMessage());
    }

    @Test
    void anUpdatingEndpointAnswers() {
        versioned.status("Updating");
        assertEquals("versioned-1", ask(g("versioned")).next());
    }

    @Test
    void theDefaultEndpointComesFromTheSettings() {
        assertEquals("versioned-1", ask(g(settings().endpoint("versioned").create())).next());
    }

    @Test
    void theStepsEndpointWins() {
        assertEquals("versioned-1", g("country").V(1).values("country").with(CLASSIFICATION).with(ENDPOINT, "versioned").next());
    }

    @Test
    void tokensAreSentToThoseTheyAreFor() {
        ask(g(settings().serviceToken("service-secret").create()).with(ENDPOINT, "versioned")).next();
        assertEquals("Bearer service-secret", service.descriptions.get(0).authorization);
        assertEquals("Bearer token-of-versioned-1", service.requests.get(0).authorization);
    }

    @Test
    void theServicesOwnUrlIsAllowed() {
        assertEquals("versioned-1", ask(g().with(ENDPOINT, service.url() + "/endpoints/versioned/invocations")).next());
        assertEquals("versioned-1", ask(g().with(ENDPOINT, service.url() + "/endpoints/versioned")).next());
    }

    @Test
    void anotherServiceMustBeListedAndNeverSeesTheToken() {
        try (FakeService other = new FakeService().with(versioned)) {
            final String url = other.url() + "/endpoints/versioned/invocations";
            final InvalidParameterException refusal =
                    assertThrows(InvalidParameterException.class, () -> ask(g().with(ENDPOINT, url)).iterate());
            assertTrue(refusal.getMessage().contains("allowedUrls"), refusal.getMessage());
            assertEquals(0, other.descriptions.size());
            final Settings allowing = settings().serviceToken("service-secret").allowedUrls(List.of(other.url())).create();
            assertEquals("versioned-1", ask(g(allowing).with(ENDPOINT, url)).next());
            assertNull(other.descriptions.get(0).authorization);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"http://169.254.169.254/endpoints/x/invocations", "https://127.0.0.1/endpoints/x", "file:///etc/passwd",
        "http://127.0.0.1:1@evil.example/endpoints/x/invocations", "a/b", "..", "a b", "http://", "http:///endpoints/x", "x?y=z"})
    void nothingElseIsAnEndpoint(final String text) {
        assertThrows(InvalidParameterException.class, () -> ask(g().with(ENDPOINT, text)).iterate());
        assertEquals(0, service.descriptions.size());
    }
}
