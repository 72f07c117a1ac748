/* A Worker for pages that are files, in which browsers start none: search runs in one.
   Here it runs in a hidden frame. The offline plugin of the theme would load such a
   thing from the network; it knows this one by the name of the file. */
"use strict";
if (location.protocol === "file:") {
  const load = (inside, url) => new Promise((done, failed) => {
    const script = inside.document.createElement("script");
    script.src = url;
    script.onload = done;
    script.onerror = () => failed(new Error(`${url} was not loaded`));
    inside.document.head.append(script);
  });
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<!doctype html><title>worker</title>";
      this.started = new Promise((done) => (this.frame.onload = done)).then(() => {
        const inside = this.frame.contentWindow;
        inside.postMessage = (data) =>
          this.dispatchEvent(new MessageEvent("message", { data }));
        inside.importScripts = async (...urls) => {
          for (const one of urls) await load(inside, one);
        };
        return load(inside, new URL(url, document.baseURI));
      });
      this.started.catch((error) =>
        this.dispatchEvent(new ErrorEvent("error", { message: error.message, error })));
      document.body.append(this.frame);
    }
    async postMessage(data) {
      await this.started;
      const inside = this.frame.contentWindow;
      inside.dispatchEvent(new inside.MessageEvent("message", { data }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
