// Node takes the name that it verifies from a request's Host header, and in a proxy that is the browser's word for the
// proxy itself. Whoever the proxy connects to must have a certificate for the host it connects to.
import https from "node:https";

const { addRequest } = https.Agent.prototype;

https.Agent.prototype.addRequest = function (request, options, ...rest) {
  return addRequest.call(this, request, { ...options, servername: options.host }, ...rest);
};
