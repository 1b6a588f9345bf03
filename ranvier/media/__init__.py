"""The content repository: files of users, copies of those of other servers, thumbnails and previews of pages."""
