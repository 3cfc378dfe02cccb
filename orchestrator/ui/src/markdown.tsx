import { Check, Copy } from "lucide-react";
import { type ComponentProps, memo, type ReactNode, useEffect, useRef, useState } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize from "rehype-sanitize";
import remarkGfm from "remark-gfm";

/*
 * An answer is untrusted text. It becomes React elements, never HTML: tags in it are shown as the text they are, links
 * lead to http, https and mailto alone, and pictures from elsewhere are links, because loading one would tell its
 * server what was said.
 */

interface MarkdownNode {
  type: string;
  children?: MarkdownNode[];
}

function showTagsAsText() {
  return (tree: MarkdownNode): void => {
    const visit = (node: MarkdownNode): void => {
      if (node.type === "html") node.type = "text";
      for (const child of node.children ?? []) visit(child);
    };
    visit(tree);
  };
}

/** `address` if a link may lead there, else "". */
export function safeUrl(address: string): string {
  const own = new URL(window.location.href);
  let url: URL;
  try {
    url = new URL(address, own);
  } catch {
    return "";
  }
  if (url.protocol === "mailto:") return url.href;
  if (url.protocol !== "http:" && url.protocol !== "https:") return "";
  // Links to this page are its routes; other fragments (footnotes) would only lose the reader's place.
  const samePage = url.pathname === own.pathname && url.hash !== "" && !/^[a-z]+:/i.test(address);
  if (samePage && !url.hash.startsWith("#/")) return "";
  return url.href;
}

function Link({ href, children }: ComponentProps<"a">): ReactNode {
  if (!href) return <span>{children}</span>;
  const url = new URL(href);
  // A job link carries the server's public name, which may not be the one this page was opened under.
  if (url.pathname === "/" && url.hash.startsWith("#/jobs/")) return <a href={url.hash}>{children}</a>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function PictureLink({ src, alt }: ComponentProps<"img">): ReactNode {
  const address = typeof src === "string" ? src : "";
  return <Link href={address}>{alt || address || "picture"}</Link>;
}

function CodeBlock({ children }: ComponentProps<"pre">): ReactNode {
  const block = useRef<HTMLPreElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    if (!(await copyText(block.current?.textContent ?? ""))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div className="code-block">
      <button type="button" className="icon-button" onClick={copy} aria-label={copied ? "Copied" : "Copy code"}>
        {copied ? <Check /> : <Copy />}
      </button>
      {/* A scrolling block must be reachable by keyboard */}
      <pre ref={block} tabIndex={0}>
        {children}
      </pre>
    </div>
  );
}

function Table({ children }: ComponentProps<"table">): ReactNode {
  return (
    <div className="table-scroll">
      <table>{children}</table>
    </div>
  );
}

// A list's marks stand where its text begins.
const components: Components = {
  a: Link,
  img: PictureLink,
  pre: CodeBlock,
  table: Table,
  ul: ({ children }) => <ul dir="auto">{children}</ul>,
  ol: ({ children, start }) => (
    <ol dir="auto" start={start}>
      {children}
    </ol>
  ),
  blockquote: ({ children }) => <blockquote dir="auto">{children}</blockquote>,
};

const Rendered = memo(function Rendered({ text }: { text: string }): ReactNode {
  return (
    <ReactMarkdown
      components={components}
      remarkPlugins={[remarkGfm, showTagsAsText]}
      rehypePlugins={[rehypeSanitize]}
      urlTransform={safeUrl}
    >
      {text}
    </ReactMarkdown>
  );
});

/** Markdown that may still be growing: a long text is parsed less often than it grows. */
export function Markdown({ text }: { text: string }): ReactNode {
  return (
    <div className="markdown">
      <Rendered text={useThrottled(text)} />
    </div>
  );
}

/** `text`, at most one change per frame for short texts and a few a second for very long ones; the last one always. */
function useThrottled(text: string): string {
  const [shown, setShown] = useState(text);
  const lastChange = useRef(0);
  useEffect(() => {
    const intervalMs = Math.min(300, text.length / 100);
    const wait = lastChange.current + intervalMs - performance.now();
    const show = (): void => {
      lastChange.current = performance.now();
      setShown(text);
    };
    if (wait <= 0) {
      show();
      return;
    }
    const timer = setTimeout(show, wait);
    return () => clearTimeout(timer);
  }, [text]);
  return shown;
}

async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  }
  // Plain HTTP from another machine has no clipboard API.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
