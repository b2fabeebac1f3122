package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.Failure;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Which endpoint of which service a query means. A query may name a URL, but only of a service that the plugin's
 * configuration knows: otherwise any query could make the database send requests, and tokens, anywhere.
 */
public final class EndpointReference {

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,254}");
    private static final Pattern PATH = Pattern.compile("/endpoints/([^/]+?)(/invocations)?/?");

    private final URI service;
    private final String name;
    private final String token;

    private EndpointReference(final URI service, final String name, final String token) {
        this.service = service;
        this.name = name;
        this.token = token;
    }

    /**
     * Reads an id, a name or a URL.
     *
     * @throws io.github.neptuneml.gremlin.failure.NeptuneMLException if it is none of them, or a URL that is not allowed
     */
    public static EndpointReference parse(final String text, final Settings settings) {
        final String trimmed = text.trim();
        if (NAME.matcher(trimmed).matches())
            return new EndpointReference(settings.serviceUrl(), trimmed, settings.serviceToken().orElse(null));
        return parseUrl(trimmed, settings);
    }

    private static EndpointReference parseUrl(final String text, final Settings settings) {
        final URI url;
        try {
            url = URI.create(text);
        } catch (final IllegalArgumentException e) {
            throw Failure.ENDPOINT_SYNTAX.with(text);
        }
        final Matcher path = PATH.matcher(Objects.toString(url.getRawPath(), ""));
        final boolean plain = url.getHost() != null && url.getUserInfo() == null && url.getQuery() == null;
        if (!plain || !path.matches() || !NAME.matcher(path.group(1)).matches())
            throw Failure.ENDPOINT_SYNTAX.with(text);
        final URI service = Stream.concat(Stream.of(settings.serviceUrl()), settings.allowedUrls().stream())
                .filter(allowed -> sameOrigin(allowed, url)).findFirst()
                .orElseThrow(() -> Failure.ENDPOINT_URL_NOT_ALLOWED.with(url.getRawAuthority()));
        final boolean own = service.equals(settings.serviceUrl());
        return new EndpointReference(service, path.group(1), own ? settings.serviceToken().orElse(null) : null);
    }

    private static boolean sameOrigin(final URI a, final URI b) {
        return a.getScheme().equalsIgnoreCase(b.getScheme())
                && a.getHost().equalsIgnoreCase(b.getHost()) && port(a) == port(b);
    }

    private static int port(final URI url) {
        if (url.getPort() >= 0) return url.getPort();
        return "https".equalsIgnoreCase(url.getScheme()) ? 443 : 80;
    }

    public URI service() {
        return service;
    }

    public String name() {
        return name;
    }

    /** The service's token; absent for a service other than the configured one, which must not see it. */
    public Optional<String> token() {
        return Optional.ofNullable(token);
    }

    /** Where the service describes the endpoint. */
    public URI description() {
        return service.resolve("/endpoints/" + name);
    }

    /** Where the service describes one version of it. */
    URI description(final String version) {
        return service.resolve("/endpoints/" + name + "?version=" + encoded(version));
    }

    /** Where the service keeps one version's table of a vertex label. */
    URI table(final String label, final String version) {
        return service.resolve("/endpoints/" + name + "/tables/" + encoded(label) + "?version=" + encoded(version));
    }

    /** The encoder is made for forms, where a space is a plus. */
    private static String encoded(final String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /** Where the service passes an invocation on to a worker. */
    public URI invocations() {
        return service.resolve("/endpoints/" + name + "/invocations");
    }

    @Override
    public boolean equals(final Object other) {
        return other instanceof EndpointReference
                && service.equals(((EndpointReference) other).service) && name.equals(((EndpointReference) other).name);
    }

    @Override
    public int hashCode() {
        return Objects.hash(service, name);
    }
}
