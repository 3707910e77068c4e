"""The Simple API in HTML: elements, pages in, pages out."""
