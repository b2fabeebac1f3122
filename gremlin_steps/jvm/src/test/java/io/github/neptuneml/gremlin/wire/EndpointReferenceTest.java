package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names and URLs, and to whom the service's token is given. */
class EndpointReferenceTest {

    private static final Settings SETTINGS = Settings.build().serviceUrl("http://ml.test:8183").serviceToken("secret")
            .allowedUrls(List.of("https://other.test")).create();

    private static EndpointReference parse(final String text) {
        return EndpointReference.parse(text, SETTINGS);
    }

    @ParameterizedTest
    @ValueSource(strings = {"genres", " genres ", "http://ml.test:8183/endpoints/genres", "http://ml.test:8183/endpoints/genres/",
            "http://ml.test:8183/endpoints/genres/invocations", "HTTP://ML.TEST:8183/endpoints/genres/invocations/"})
    void aNameAndItsUrlsAreTheSameEndpointOfTheService(final String text) {
        final EndpointReference reference = parse(text);
        assertEquals(parse("genres"), reference);
        assertEquals(parse("genres").hashCode(), reference.hashCode());
        assertEquals(Optional.of("secret"), reference.token());
        assertEquals("http://ml.test:8183/endpoints/genres", reference.description().toString());
        assertEquals("http://ml.test:8183/endpoints/genres/invocations", reference.invocations().toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"https://other.test/endpoints/genres", "https://other.test:443/endpoints/genres"})
    void anAllowedServiceDoesNotSeeTheToken(final String url) {
        assertEquals(Optional.empty(), parse(url).token());
        assertEquals("https://other.test/endpoints/genres", parse(url).description().toString());
        assertNotEquals(parse("genres"), parse(url));
    }

    @ParameterizedTest
    @ValueSource(strings = {"http://other.test/endpoints/genres", "https://other.test:8443/endpoints/genres", "http://ml.test/endpoints/genres",
            "https://ml.test:8183/endpoints/genres", "http://ml.test.evil.test:8183/endpoints/genres"})
    void anotherOriginIsRefused(final String url) {
        final String text = assertThrows(NeptuneMLException.InvalidParameterException.class, () -> parse(url)).getMessage();
        assertTrue(text.contains("'allowedUrls'"), text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "-genres", "genres of films", "ge/nres", "http://ml.test:8183/genres", "http://ml.test:8183/endpoints/",
            "http://ml.test:8183/endpoints/a/b", "http://ml.test:8183/endpoints/..", "http://ml.test:8183/endpoints/a%2Fb",
            "http://me:pw@ml.test:8183/endpoints/genres", "http://ml.test:8183/endpoints/genres?version=1", "http://", "http:genres"})
    void whatIsNeitherIsRefused(final String text) {
        final String message = assertThrows(NeptuneMLException.InvalidParameterException.class, () -> parse(text)).getMessage();
        assertTrue(message.contains("'" + text + "' is no endpoint"), message);
    }

    @Test
    void theLongestNameHas255Characters() {
        assertEquals(255, parse("a".repeat(255)).name().length());
        assertThrows(NeptuneMLException.InvalidParameterException.class, () -> parse("a".repeat(256)));
    }

    @ParameterizedTest
    @CsvSource({"Person;Admin, 1, Person%3BAdmin", "'a b', 1, a%20b", "a/b?c#d, 1, a%2Fb%3Fc%23d", "Löwe+, 1, L%C3%B6we%2B"})
    void labelsAreWrittenIntoPathsByTheirBytes(final String label, final String version, final String written) {
        assertEquals("http://ml.test:8183/endpoints/genres/tables/" + written + "?version=" + version, parse("genres").table(label, version).toString());
        assertEquals("http://ml.test:8183/endpoints/genres?version=" + written, parse("genres").description(label).toString());
    }
}
