/* Search in the site's files, opened without a server: browsers start no worker from a file. The theme
   knows of this name, and looks for it in the page that made the worker. */
"use strict";
if (location.protocol === "file:") {
    window.IFrameWorker = class extends EventTarget {
        constructor(url) {
            super();
            this.onmessage = null;
            this.waiting = [];
            const frame = document.createElement("iframe");
            frame.hidden = true;
            frame.title = "search";
            document.body.append(frame);
            this.inside = frame.contentWindow;
            this.inside.postMessage = data => {
                const event = new MessageEvent("message", { data });
                this.dispatchEvent(event);
                this.onmessage?.(event);
            };
            this.inside.importScripts = async (...urls) => {
                for (const each of urls) await this.load(each);
            };
            this.load(url).then(() => this.deliver());
        }
        load(url) {
            return new Promise((done, failed) => {
                const script = this.inside.document.createElement("script");
                Object.assign(script, { src: url, onload: done, onerror: failed });
                this.inside.document.head.append(script);
            });
        }
        postMessage(data) {
            this.waiting?.push(data) ?? this.inside.dispatchEvent(new MessageEvent("message", { data }));
        }
        deliver() {
            const waiting = this.waiting;
            this.waiting = null;
            for (const data of waiting) this.postMessage(data);
        }
        terminate() {
            this.inside.frameElement.remove();
        }
    };
    window.Worker = window.IFrameWorker;
}
