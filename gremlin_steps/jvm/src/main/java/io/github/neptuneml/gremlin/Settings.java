package io.github.neptuneml.gremlin;

import java.net.URI;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The plugin's settings. Each comes from the server's YAML, else from the system property {@code neptuneml.<name>},
 * else from the environment ({@code NEPTUNEML_SERVICE_URL} and so on), else from its default.
 */
public final class Settings {

    public static final String DEFAULT_SERVICE_URL = "http://127.0.0.1:8183";

    private final URI serviceUrl;
    private final String serviceToken;
    private final String endpoint;
    private final List<URI> allowedUrls;
    private final int tableLimitMib;
    private final int pinReuseMillis;
    private final int maxRequestMib;
    private final int cachedAnswers;

    private Settings(final Builder builder) {
        serviceUrl = baseUrl("serviceUrl", builder.text("serviceUrl", builder.serviceUrl).orElse(DEFAULT_SERVICE_URL));
        serviceToken = builder.text("serviceToken", builder.serviceToken).orElse(null);
        endpoint = builder.text("endpoint", builder.endpoint).orElse(null);
        allowedUrls = builder.urls().stream()
                .map(url -> baseUrl("allowedUrls", url)).collect(Collectors.toUnmodifiableList());
        tableLimitMib = builder.number("tableLimitMib", builder.tableLimitMib, 256, 0);
        pinReuseMillis = builder.number("pinReuseMillis", builder.pinReuseMillis, 1000, 0);
        maxRequestMib = builder.number("maxRequestMib", builder.maxRequestMib, 32, 1);
        cachedAnswers = builder.number("cachedAnswers", builder.cachedAnswers, 200_000, 0);
    }

    /** Where the service listens: scheme, host and port. */
    public URI serviceUrl() {
        return serviceUrl;
    }

    /** The service's token, if it asks for one. */
    public Optional<String> serviceToken() {
        return Optional.ofNullable(serviceToken);
    }

    /** The endpoint of queries that name none. */
    public Optional<String> endpoint() {
        return Optional.ofNullable(endpoint);
    }

    /** Further services that a query may name by URL. */
    public List<URI> allowedUrls() {
        return allowedUrls;
    }

    /** How many MiB the prediction tables of all endpoints may take together; 0 for no tables. */
    public int tableLimitMib() {
        return tableLimitMib;
    }

    /** For how many milliseconds an endpoint's description is used without asking the service whether it changed. */
    public int pinReuseMillis() {
        return pinReuseMillis;
    }

    /** How large a request to a worker may be, in MiB; inductive batches shrink to it. */
    public int maxRequestMib() {
        return maxRequestMib;
    }

    /** How many answers of one version of an endpoint are kept, beside its tables; 0 for none. */
    public int cachedAnswers() {
        return cachedAnswers;
    }

    public static Builder build() {
        return new Builder();
    }

    private static URI baseUrl(final String name, final String text) {
        final URI url;
        try {
            url = URI.create(text.trim());
        } catch (final IllegalArgumentException e) {
            throw new IllegalArgumentException(name + ": '" + text + "' is no URL; it looks like " + DEFAULT_SERVICE_URL);
        }
        final boolean http = "http".equals(url.getScheme()) || "https".equals(url.getScheme());
        if (!http || url.getHost() == null || url.getUserInfo() != null)
            throw new IllegalArgumentException(name + ": '" + text + "' is no http URL; it looks like " + DEFAULT_SERVICE_URL);
        if (!Set.of("", "/").contains(url.getRawPath()) || url.getRawQuery() != null || url.getRawFragment() != null)
            throw new IllegalArgumentException(name + ": '" + text + "' has more than scheme, host and port; give " + DEFAULT_SERVICE_URL + " or the like");
        return URI.create(url.getScheme() + "://" + url.getRawAuthority());
    }

    /** Method names are the settings' names, because Gremlin Server's YAML calls them by name. */
    public static final class Builder {

        private final Function<String, String> outside;
        private String serviceUrl;
        private String serviceToken;
        private String endpoint;
        private List<String> allowedUrls;
        private Integer tableLimitMib;
        private Integer pinReuseMillis;
        private Integer maxRequestMib;
        private Integer cachedAnswers;

        private Builder() {
            this(Builder::propertyOrEnvironment);
        }

        Builder(final Function<String, String> outside) {
            this.outside = outside;
        }

        public Builder serviceUrl(final String url) {
            serviceUrl = url;
            return this;
        }

        public Builder serviceToken(final String token) {
            serviceToken = token;
            return this;
        }

        public Builder endpoint(final String name) {
            endpoint = name;
            return this;
        }

        public Builder allowedUrls(final List<String> urls) {
            if (urls == null || !((List<?>) urls).stream().allMatch(String.class::isInstance))
                throw new IllegalArgumentException("allowedUrls: " + urls + " is no list of URLs; they look like " + DEFAULT_SERVICE_URL);
            allowedUrls = List.copyOf(urls);
            return this;
        }

        public Builder tableLimitMib(final int mebibytes) {
            tableLimitMib = mebibytes;
            return this;
        }

        public Builder pinReuseMillis(final int milliseconds) {
            pinReuseMillis = milliseconds;
            return this;
        }

        public Builder maxRequestMib(final int mebibytes) {
            maxRequestMib = mebibytes;
            return this;
        }

        public Builder cachedAnswers(final int answers) {
            cachedAnswers = answers;
            return this;
        }

        public Settings create() {
            return new Settings(this);
        }

        private Optional<String> text(final String name, final String given) {
            return Optional.ofNullable(given != null ? given : outside.apply(name)).filter(text -> !text.isBlank());
        }

        private List<String> urls() {
            if (allowedUrls != null) return allowedUrls;
            return text("allowedUrls", null)
                    .map(text -> Arrays.asList(text.trim().split("[,\\s]+"))).orElse(Collections.emptyList());
        }

        private int number(final String name, final Integer given, final int fallback, final int least) {
            final String text = given != null ? given.toString() : text(name, null).orElse(String.valueOf(fallback));
            try {
                final int number = Integer.parseInt(text.trim());
                if (number >= least) return number;
            } catch (final NumberFormatException e) {
                // refused below, together with numbers that are too small
            }
            throw new IllegalArgumentException(name + ": '" + text + "' is no whole number from " + least + " up");
        }

        private static String propertyOrEnvironment(final String name) {
            final String property = System.getProperty("neptuneml." + name);
            return property != null ? property : System.getenv(environmentName(name));
        }

        static String environmentName(final String name) {
            return "NEPTUNEML_" + name.replaceAll("([A-Z])", "_$1").toUpperCase(Locale.ROOT);
        }
    }
}
